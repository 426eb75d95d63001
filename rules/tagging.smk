"""Events without labels: scores of every second, one job a shard; events, and their figures."""


rule score_seconds:
    """Scores of AudioSet's and ImageNet's classes, and embeddings, of every second of a shard."""
    input:
        manifest="results/{study}/probe/{shard}.parquet",
        sound=tagging.sound_files,
        picture=tagging.picture_files,
    output:
        pack="results/{study}/seconds/{shard}.h5",
        manifest="results/{study}/seconds/{shard}.parquet",
    log:
        "logs/{study}/score_seconds/{shard}.log",
    benchmark:
        "logs/{study}/score_seconds/{shard}.tsv"
    wildcard_constraints:
        study=files.named(FeatureStudy),
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: tagging.mem_mb(wildcards) * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        legs=tagging.legs,
        cache=tagging.names,
        videos=media.video_list,
        fingerprint=media.fingerprint,
        settings=tagging.settings,
        shards=tagging.shards,
        previous=tagging.previous,
        code=code_fingerprint("avlib.tagging.seconds"),
    script:
        "../workflow_scripts/score_seconds.py"


rule find_events:
    """Events of labels in free text, or of the classes themselves, in all videos of a study."""
    input:
        packs=tagging.packs,
        manifests=tagging.manifests,
        labels=tagging.labels,
        sentences=tagging.sentences,
        towers=tagging.towers,
    output:
        events="results/{study}/events.parquet",
        csv="results/{study}/events.csv",
        seconds="results/{study}/seconds.parquet",
        summary="results/{study}/tags.json",
    log:
        "logs/{study}/find_events.log",
    benchmark:
        "logs/{study}/find_events.tsv"
    wildcard_constraints:
        study=tagging.studies,
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: 1_000 + tagging.mem_mb(wildcards),
        runtime=240,
    params:
        study=files.summary,
        tagging=tagging.tagging,
        folder=f"{RESULTS}/{{study}}",
        passed_over=f"{RESULTS}/{{study}}/.cache/videos/passed_over.json",
        sentences=tagging.sentences_folder,
        legs=tagging.legs,
        cache=tagging.names,
        max_bad_fraction=settings.max_bad_fraction,
        code=code_fingerprint("avlib.tagging.tagging"),
    script:
        "../workflow_scripts/find_events.py"


rule draw_found_events:
    """The found events of each video on a line of time, and a page with all of them."""
    input:
        events="results/{study}/events.parquet",
        seconds="results/{study}/seconds.parquet",
    output:
        "results/{study}/timelines/index.html",
    log:
        "logs/{study}/draw_found_events.log",
    benchmark:
        "logs/{study}/draw_found_events.tsv"
    wildcard_constraints:
        study=tagging.studies,
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=60,
    params:
        code=code_fingerprint("avlib.report.found_events"),
    script:
        "../workflow_scripts/draw_found_events.py"


rule see:
    """What is heard and seen in one's own videos, without labels; `make see VIDEOS=folder`."""
    input:
        tagging.targets,
