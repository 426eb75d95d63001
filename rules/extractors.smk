"""Networks that make features: weights trained on the study where none are given; extraction."""


rule check_weights:
    """Given weights fit their network; among the first jobs of a run, whatever the paper."""
    input:
        unpack(weights.check_inputs),
    output:
        "results/{study}/model/{network}/given.json",
    log:
        "logs/{study}/check_weights/{network}.log",
    benchmark:
        "logs/{study}/check_weights/{network}.tsv"
    priority: 20
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=10,
    params:
        options=weights.check_options,
        code=weights.check_code,
    script:
        "../workflow_scripts/check_weights.py"


rule train_asf:
    """Auditory SlowFast on the study's labelled audio; resumes where it was interrupted."""
    input:
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
        packs=files.packs,
        initial=extractors.initial_checkpoint,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        model="results/{study}/model/asf/model.safetensors",
        log="results/{study}/model/asf/log.jsonl",
        metrics="results/{study}/model/asf/metrics.json",
    log:
        "logs/{study}/train_asf.log",
    benchmark:
        "logs/{study}/train_asf.tsv"
    priority: 10
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8_000 * attempt,
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=files.gpus,
    params:
        training=extractors.asf_training,
        state=f"{RESULTS}/{{study}}/.cache/train_asf",
        code=code_fingerprint("avlib.extractors.auditory_slowfast.training"),
    script:
        "../workflow_scripts/train_asf.py"


rule evaluate_asf:
    """Auditory SlowFast as a classifier of the study's labelled audio, with 1 and 5 views."""
    input:
        unpack(media.annotation_files),
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
        packs=files.packs,
        weights=extractors.asf_classifier,
        checked=extractors.asf_checked,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        "results/{study}/asf/test_metrics.json",
    log:
        "logs/{study}/evaluate_asf.log",
    benchmark:
        "logs/{study}/evaluate_asf.tsv"
    wildcard_constraints:
        study=files.named(FeatureStudy),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        study=files.summary,
        evaluation=extractors.asf_evaluation,
        inputs=media.annotation_files,
        code=code_fingerprint("avlib.extractors.auditory_slowfast.evaluation"),
    script:
        "../workflow_scripts/evaluate_asf.py"


rule train_omnivore:
    """A narrow Omnivore on the study's labelled clips; resumes where it was interrupted."""
    input:
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
        packs=files.frame_packs,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        model="results/{study}/model/omnivore/model.safetensors",
        log="results/{study}/model/omnivore/log.jsonl",
        metrics="results/{study}/model/omnivore/metrics.json",
    log:
        "logs/{study}/train_omnivore.log",
    benchmark:
        "logs/{study}/train_omnivore.tsv"
    priority: 10
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=files.gpus,
    params:
        training=extractors.omnivore_training,
        state=f"{RESULTS}/{{study}}/.cache/train_omnivore",
        code=code_fingerprint("avlib.extractors.omnivore.training"),
    script:
        "../workflow_scripts/train_omnivore.py"


rule draw_curves:
    """Losses and accuracy of the training of a network against its epochs."""
    input:
        "results/{study}/model/{network}/log.jsonl",
    output:
        report(
            "results/{study}/model/{network}/curves.svg",
            caption="../report/curves.rst",
            category="Training",
            labels={"study": "{study}", "network": "{network}"},
        ),
    log:
        "logs/{study}/draw_curves/{network}.log",
    benchmark:
        "logs/{study}/draw_curves/{network}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.curves"),
    script:
        "../workflow_scripts/draw_curves.py"


rule extract_features:
    """Features of every interval of one shard of videos, one file a video."""
    input:
        packs=extractors.waveforms,
        manifests=extractors.manifests,
        intervals=extractors.intervals,
        checkpoint=extractors.weights,
        checked=extractors.checked,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        "results/{study}/features/{extractor}/shards/{shard}.parquet",
    log:
        "logs/{study}/extract_features/{extractor}/{shard}.log",
    benchmark:
        "logs/{study}/extract_features/{extractor}/{shard}.tsv"
    wildcard_constraints:
        study=files.named(FeatureStudy),
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        method=extractors.method,
        extraction=extractors.extraction,
        videos=extractors.video_lists,
        journal=extractors.journal,
        folder=f"{RESULTS}/{{study}}/features/{{extractor}}",
        code=extractors.code,
    script:
        "../workflow_scripts/extract_features.py"


use rule pack_waveforms as pack_waveforms_at_rate with:
    output:
        pack="results/{study}/audio/{rate}/{shard}.h5",
        manifest="results/{study}/audio/{rate}/{shard}.parquet",
    log:
        "logs/{study}/pack_waveforms/{rate}/{shard}.log",
    benchmark:
        "logs/{study}/pack_waveforms/{rate}/{shard}.tsv"
    wildcard_constraints:
        study=files.named(FeatureStudy),
        rate="[0-9]+",
    params:
        videos=media.video_list,
        fingerprint=media.fingerprint,
        sound=extractors.sound,
        previous=f"{RESULTS}/{{study}}/.cache/audio/{{rate}}/{{shard}}.h5",
        code=code_fingerprint("avlib.media.sound_packs"),


# Of one's own videos, whose frames are decoded once for all networks that see them.
if extractors.together:

    ruleorder: extract_together > extract_features

    rule extract_together:
        """Features of every interval of one shard, by all visual extractors."""
        input:
            manifests=extractors.manifests,
            intervals=extractors.intervals,
            checkpoints=extractors.together_weights,
            checked=extractors.together_checked,
            gate=ancient("results/{study}/manifest.parquet"),
        output:
            [
                f"results/{{study}}/features/{name}/shards/{{shard}}.parquet"
                for name in extractors.together
            ],
        log:
            "logs/{study}/extract_together/{shard}.log",
        benchmark:
            "logs/{study}/extract_together/{shard}.tsv"
        wildcard_constraints:
            study=settings.custom.name,
        retries: 1
        conda:
            "../envs/avlib.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 6_000 * attempt,
            runtime=lambda wildcards, attempt: 1_440 * attempt,
            gpu=files.gpus,
        params:
            extractions=extractors.together_extraction,
            videos=extractors.video_lists,
            code=extractors.together_code,
        script:
            "../workflow_scripts/extract_together.py"


rule index_features:
    """Which videos have features, and how they were made."""
    input:
        shards=extractors.indices,
        manifest="results/{study}/manifest.parquet",
        files="results/{study}/files.json",
        intervals=[f"results/{{study}}/intervals/{split}.parquet" for split in SPLITS],
        checkpoint=extractors.weights,
    output:
        index="results/{study}/features/{extractor}/index.parquet",
        summary="results/{study}/features/{extractor}/summary.json",
    log:
        "logs/{study}/index_features/{extractor}.log",
    benchmark:
        "logs/{study}/index_features/{extractor}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        extraction=extractors.extraction,
        max_bad_fraction=settings.max_bad_fraction,
        code=code_fingerprint("avlib.extractors.index"),
    script:
        "../workflow_scripts/index_features.py"
