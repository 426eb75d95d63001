"""Auditory SlowFast: weights trained on the study where none are given, and features."""


rule train_asf:
    """Auditory SlowFast on the study's labelled sound; resumes where it was interrupted."""
    input:
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
        packs=studies.packs,
        initial=studies.initial_checkpoint,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        model="results/{study}/model/asf/model.safetensors",
        log="results/{study}/model/asf/log.jsonl",
        metrics="results/{study}/model/asf/metrics.json",
    log:
        "logs/{study}/train_asf.log",
    benchmark:
        "logs/{study}/train_asf.tsv"
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 8_000 * attempt,
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=studies.gpus,
    params:
        training=studies.training,
        state="results/{study}/.cache/train_asf",
        code=code_fingerprint("avlib.training.study", "avlib.evaluation.recognition"),
    script:
        "../workflow_scripts/train_asf.py"


rule draw_asf_curves:
    """Loss and accuracy of the training against its epochs."""
    input:
        "results/{study}/model/asf/log.jsonl",
    output:
        report(
            "results/{study}/model/asf/curves.svg",
            category="Training",
            labels={"study": "{study}", "network": "Auditory SlowFast"},
        ),
    log:
        "logs/{study}/draw_asf_curves.log",
    benchmark:
        "logs/{study}/draw_asf_curves.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.curves"),
    script:
        "../workflow_scripts/draw_asf_curves.py"


rule check_asf:
    """Given weights fit the network and the preset; seen before any video is."""
    input:
        studies.asf_checkpoint,
    output:
        "results/{study}/model/asf/given.json",
    log:
        "logs/{study}/check_asf.log",
    benchmark:
        "logs/{study}/check_asf.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=10,
    params:
        preset=studies.preset,
        code=code_fingerprint("avlib.features.auditory_slowfast"),
    script:
        "../workflow_scripts/check_asf.py"


rule extract_asf:
    """Penultimate-layer features of every interval of one shard of videos."""
    input:
        packs=studies.member_packs,
        manifests=studies.member_manifests,
        intervals=studies.member_intervals,
        checkpoint=studies.asf_checkpoint,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        "results/{study}/features/asf/shards/{shard}.parquet",
    log:
        "logs/{study}/extract_asf/{shard}.log",
    benchmark:
        "logs/{study}/extract_asf/{shard}.tsv"
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=studies.gpus,
    params:
        extraction=studies.extraction,
        journal=studies.feature_journal,
        folder="results/{study}/features/asf",
        code=code_fingerprint("avlib.features.extraction"),
    script:
        "../workflow_scripts/extract_asf.py"


rule index_asf:
    """Which videos have features, and how they were made."""
    input:
        shards=studies.feature_indices,
        manifest="results/{study}/manifest.parquet",
        intervals=[f"results/{{study}}/intervals/{split}.parquet" for split in SPLITS],
        checkpoint=studies.asf_checkpoint,
    output:
        index="results/{study}/features/asf/index.parquet",
        summary="results/{study}/features/asf/summary.json",
    log:
        "logs/{study}/index_asf.log",
    benchmark:
        "logs/{study}/index_asf.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        study=studies.summary,
        extraction=studies.extraction,
        code=code_fingerprint("avlib.features.index"),
    script:
        "../workflow_scripts/index_asf.py"
