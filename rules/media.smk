"""Videos to a manifest, sound packs, intervals and events, one job a shard."""


rule probe_videos:
    """What each video file of a shard holds, and whether it can be used."""
    input:
        media.rendered_files,
    output:
        "results/{study}/probe/{shard}.parquet",
    log:
        "logs/{study}/probe_videos/{shard}.log",
    benchmark:
        "logs/{study}/probe_videos/{shard}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=60,
    params:
        videos=media.video_list,
        fingerprint=media.fingerprint,
        code=code_fingerprint("avlib.media.probe"),
    script:
        "../workflow_scripts/probe_videos.py"


rule pack_waveforms:
    """The sound of a shard of videos at the study's rate, one dataset a video."""
    input:
        "results/{study}/probe/{shard}.parquet",
    output:
        pack="results/{study}/audio/{shard}.h5",
        manifest="results/{study}/audio/{shard}.parquet",
    log:
        "logs/{study}/pack_waveforms/{shard}.log",
    benchmark:
        "logs/{study}/pack_waveforms/{shard}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_500,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        videos=media.video_list,
        fingerprint=media.fingerprint,
        sound=media.audio,
        previous=f"{RESULTS}/{{study}}/.cache/audio/{{shard}}.h5",
        code=code_fingerprint("avlib.media.sound_packs"),
    script:
        "../workflow_scripts/pack_waveforms.py"


rule pack_frames:
    """Small frames of a shard of videos, to train on where no visual weights are given."""
    input:
        files.shard_manifest,
    output:
        "results/{study}/frames/{shard}.h5",
    log:
        "logs/{study}/pack_frames/{shard}.log",
    benchmark:
        "logs/{study}/pack_frames/{shard}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_500,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        videos=media.video_list,
        frames=media.frames,
        previous=f"{RESULTS}/{{study}}/.cache/frames/{{shard}}.h5",
        code=code_fingerprint("avlib.media.frame_packs"),
    script:
        "../workflow_scripts/pack_frames.py"


rule convert_intervals:
    """Published interval tables, read once."""
    input:
        media.published_intervals,
    output:
        "results/{study}/intervals/published.parquet",
    log:
        "logs/{study}/convert_intervals.log",
    benchmark:
        "logs/{study}/convert_intervals.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=6_000,
        runtime=30,
    params:
        code=code_fingerprint("avlib.extractors.interval_shards"),
    script:
        "../workflow_scripts/convert_intervals.py"


rule make_intervals:
    """The stretches of each video that get a feature; videos too short for one are left out."""
    input:
        manifest=media.looked_at,
        published=media.converted_intervals,
    output:
        intervals="results/{study}/intervals/shards/{shard}.parquet",
        manifest="results/{study}/manifest/{shard}.parquet",
    log:
        "logs/{study}/make_intervals/{shard}.log",
    benchmark:
        "logs/{study}/make_intervals/{shard}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_500,
        runtime=30,
    params:
        rule=media.interval_rule,
        code=code_fingerprint("avlib.extractors.interval_shards"),
    script:
        "../workflow_scripts/make_intervals.py"


rule gather_manifest:
    """All videos with their status, and counts of them; stops if too many are left out."""
    input:
        manifests=files.manifests,
    output:
        manifest="results/{study}/manifest.parquet",
        files="results/{study}/files.json",
    log:
        "logs/{study}/gather_manifest.log",
    benchmark:
        "logs/{study}/gather_manifest.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        max_bad_fraction=settings.max_bad_fraction,
        passed_over=f"{RESULTS}/{{study}}/.cache/videos/passed_over.json",
        code=code_fingerprint("avlib.media.manifest"),
    script:
        "../workflow_scripts/gather_manifest.py"


rule gather_intervals:
    """The intervals of one split, a row a feature, shared by all extractors."""
    input:
        intervals=media.intervals,
        manifest="results/{study}/manifest.parquet",
    output:
        "results/{study}/intervals/{split}.parquet",
    log:
        "logs/{study}/gather_intervals/{split}.log",
    benchmark:
        "logs/{study}/gather_intervals/{split}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_fingerprint("avlib.extractors.interval_shards"),
    script:
        "../workflow_scripts/gather_intervals.py"


rule make_events:
    """The labelled events of a study from its annotation files."""
    input:
        unpack(media.annotation_files),
    output:
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
    log:
        "logs/{study}/make_events.log",
    benchmark:
        "logs/{study}/make_events.tsv"
    wildcard_constraints:
        study=tagging.annotated,
    priority: 20  # given weights are checked against the classes
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        dataset=media.dataset,
        seed=media.split_seed,
        code=code_fingerprint("avlib.datasets.events"),
    script:
        "../workflow_scripts/make_events.py"
