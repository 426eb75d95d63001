"""Event parsing: segment features, teachers, pseudo labels, parsers, metrics and figures."""


rule check_llp:
    """Validate labels and given folders; count inconsistencies of the labels."""
    input:
        unpack(valor.label_files),
    output:
        "results/{study}/labels.json",
    log:
        "logs/{study}/check_llp.log",
    benchmark:
        "logs/{study}/check_llp.tsv"
    wildcard_constraints:
        study=files.named(Llp),
    priority: 20
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=60,
    params:
        given=valor.given_folders,
        stamps=valor.given_stamps,
        skips_missing=valor.skips_missing,
        code=code_fingerprint("avlib.valor.check"),
    script:
        "../workflow_scripts/check_llp.py"


rule write_tokenizer:
    """A tokenizer of single bytes, for the small CLAP."""
    output:
        vocabulary="results/{study}/model/clap/tokenizer/vocab.json",
        merges="results/{study}/model/clap/tokenizer/merges.txt",
    log:
        "logs/{study}/write_tokenizer.log",
    benchmark:
        "logs/{study}/write_tokenizer.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.io.text_tokens"),
    script:
        "../workflow_scripts/write_tokenizer.py"


rule train_small_network:
    """A small network trained on rendered examples, for the miniature."""
    input:
        tokenizer=valor.small_tokenizer,
    output:
        model="results/{study}/model/{network}/model.safetensors",
        metrics="results/{study}/model/{network}/metrics.json",
    log:
        "logs/{study}/train_small_network/{network}.log",
    benchmark:
        "logs/{study}/train_small_network/{network}.tsv"
    wildcard_constraints:
        study=files.named(Llp),
        network="|".join({row.network for row in VIDEO_EXTRACTORS.values()}),
    priority: 10
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        classes=valor.miniature_classes,
        seed=settings.seed,
        code=code_fingerprint("avlib.valor.small_networks"),
    script:
        "../workflow_scripts/train_small_network.py"


rule extract_frame_segments:
    """Features of the kinds that see the same frames, which are decoded once for all of them."""
    input:
        manifest="results/{study}/probe/{shard}.parquet",
        checkpoints=valor.frame_weights,
        weights=valor.checked_frame_weights,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        expand(
            "results/{{study}}/features/{kind}/shards/{{shard}}.parquet",
            kind=valor.frame_kinds,
        ),
    log:
        "logs/{study}/extract_frame_segments/{shard}.log",
    benchmark:
        "logs/{study}/extract_frame_segments/{shard}.tsv"
    wildcard_constraints:
        study=files.named(Llp),
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        kinds=valor.frame_kinds,
        extraction=valor.frame_extraction,
        videos=media.video_list,
        journals=valor.frame_journals,
        folder=f"{RESULTS}/{{study}}/features",
        frames=f"{RESULTS}/{{study}}/.cache/frames/{{shard}}",
        code=valor.frame_code,
    script:
        "../workflow_scripts/extract_frame_segments.py"


rule extract_segments:
    """Features of one kind of the videos of a shard in LLP's layout, one file per video."""
    input:
        manifest="results/{study}/probe/{shard}.parquet",
        checkpoint=valor.weights,
        weights=valor.checked,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        "results/{study}/features/{kind}/shards/{shard}.parquet",
    log:
        "logs/{study}/extract_segments/{kind}/{shard}.log",
    benchmark:
        "logs/{study}/extract_segments/{kind}/{shard}.tsv"
    wildcard_constraints:
        study=files.named(Llp),
        kind="|".join(valor.single_kinds),
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        extraction=valor.segment_extraction,
        videos=media.video_list,
        journal=valor.segment_journal,
        folder=f"{RESULTS}/{{study}}/features/{{kind}}",
        code=valor.code,
    script:
        "../workflow_scripts/extract_segments.py"


rule score_captions:
    """Logits of segments and classes: features of a teacher compared with its captions."""
    input:
        unpack(valor.label_files),
        tables=valor.teacher_tables,
        checkpoint=valor.teacher_weights,
        weights=valor.checked_teacher,
        tokenizer=valor.tokenizer,
        checked=ancient("results/{study}/labels.json"),
    output:
        "results/{study}/logits/{modality}.npz",
    log:
        "logs/{study}/score_captions/{modality}.log",
    benchmark:
        "logs/{study}/score_captions/{modality}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
        gpu=files.gpus,
    params:
        kind=valor.teacher_kind,
        folder=valor.teacher_folder,
        captions=valor.captions,
        backend=valor.teacher_backend,
        stamps=valor.given_stamps,
        device=settings.device,
        code=code_fingerprint("avlib.valor.teachers"),
    script:
        "../workflow_scripts/score_captions.py"


rule make_pseudo_labels:
    """Pseudo labels of segments: thresholded logits, gated by the weak labels."""
    input:
        unpack(valor.label_files),
        logits="results/{study}/logits/{modality}.npz",
    output:
        directory("results/{study}/pseudo_labels/{modality}"),
    log:
        "logs/{study}/make_pseudo_labels/{modality}.log",
    benchmark:
        "logs/{study}/make_pseudo_labels/{modality}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=60,
    params:
        thresholds=valor.thresholds,
        dtype=valor.label_dtype,
        code=code_fingerprint("avlib.valor.pseudo_labels"),
    script:
        "../workflow_scripts/make_pseudo_labels.py"


rule train_parser:
    """A variant trained on weak and pseudo labels; resumes after an interruption."""
    input:
        unpack(valor.label_files),
        tables=valor.parser_tables,
        pseudo_labels=valor.made_pseudo_labels,
        checked=ancient("results/{study}/labels.json"),
    output:
        best="results/{study}/model/parser/{variant}/checkpoint_best.pt",
        last="results/{study}/model/parser/{variant}/checkpoint_last.pt",
        log="results/{study}/model/parser/{variant}/log.jsonl",
        metrics="results/{study}/model/parser/{variant}/metrics.json",
    log:
        "logs/{study}/train_parser/{variant}.log",
    benchmark:
        "logs/{study}/train_parser/{variant}.tsv"
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=files.gpus,
    params:
        features=valor.parser_features,
        labels=valor.parser_pseudo_labels,
        stamps=valor.given_stamps,
        training=valor.parser_training,
        skips_missing=valor.skips_missing,
        threshold=valor.threshold,
        device=settings.device,
        state=f"{RESULTS}/{{study}}/.cache/train_parser/{{variant}}",
        epochs=f"{RESULTS}/{{study}}/model/parser/{{variant}}/epochs",
        code=code_fingerprint("avlib.valor.training"),
    script:
        "../workflow_scripts/train_parser.py"


rule parse_events:
    """Predictions of a variant for the test videos."""
    input:
        unpack(valor.label_files),
        tables=valor.parser_tables,
        model=valor.parser_weights,
        weights=valor.checked_parser,
        checked=ancient("results/{study}/labels.json"),
    output:
        "results/{study}/{variant}/predictions.npz",
    log:
        "logs/{study}/parse_events/{variant}.log",
    benchmark:
        "logs/{study}/parse_events/{variant}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=120,
        gpu=files.gpus,
    params:
        features=valor.parser_features,
        stamps=valor.given_stamps,
        skips_missing=valor.skips_missing,
        device=settings.device,
        code=code_fingerprint("avlib.valor.prediction"),
    script:
        "../workflow_scripts/parse_events.py"


rule evaluate_llp:
    """Events of a variant in the test videos, and its metrics."""
    input:
        unpack(valor.label_files),
        predictions="results/{study}/{variant}/predictions.npz",
        model=valor.parser_weights,
        networks=valor.network_files,
        tables=valor.parser_tables,
        manifest=valor.parser_manifest,
    output:
        metrics="results/{study}/{variant}/test_metrics.json",
        events="results/{study}/{variant}/events.parquet",
    log:
        "logs/{study}/evaluate_llp/{variant}.log",
    benchmark:
        "logs/{study}/evaluate_llp/{variant}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        study=files.summary,
        status=valor.parser_status,
        evaluation=valor.evaluation,
        networks=valor.parser_networks,
        origins=valor.parser_origins,
        code=code_fingerprint("avlib.valor.evaluation"),
    script:
        "../workflow_scripts/evaluate_llp.py"


rule draw_parsed_events:
    """Predicted and annotated events of some test videos, second by second."""
    input:
        unpack(valor.label_files),
        predictions="results/{study}/{variant}/predictions.npz",
    output:
        report(
            "results/{study}/{variant}/report/parsed_events.svg",
            caption="../report/parsed_events.rst",
            category="Test",
            labels={"study": "{study}", "figure": "events parsed by {variant}"},
        ),
    log:
        "logs/{study}/draw_parsed_events/{variant}.log",
    benchmark:
        "logs/{study}/draw_parsed_events/{variant}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        threshold=valor.threshold,
        code=code_fingerprint("avlib.report.parsed_events"),
    script:
        "../workflow_scripts/draw_parsed_events.py"


rule summarise_variants:
    """The scores of all variants side by side, and their gain over the baseline."""
    input:
        valor.variant_metrics,
    output:
        "results/{study}/summary.json",
    log:
        "logs/{study}/summarise_variants.log",
    benchmark:
        "logs/{study}/summarise_variants.tsv"
    wildcard_constraints:
        study=files.named(Llp),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        variants=valor.variants,
        code=code_fingerprint("avlib.valor.variants"),
    script:
        "../workflow_scripts/summarise_variants.py"


rule draw_variants:
    """The scores of all variants as a table."""
    input:
        "results/{study}/summary.json",
    output:
        report(
            "results/{study}/report/variants.html",
            caption="../report/variants.rst",
            category="Test",
            labels={"study": "{study}", "figure": "variants side by side"},
        ),
    log:
        "logs/{study}/draw_variants.log",
    benchmark:
        "logs/{study}/draw_variants.tsv"
    wildcard_constraints:
        study=files.named(Llp),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.variants"),
    script:
        "../workflow_scripts/draw_variants.py"
