"""Retrieval by text: annotations, embeddings of clips and texts, metrics, the paper's tables."""


rule read_clips:
    """Where the clips of a benchmark, or of a subset of it, are; embeddings depend on no more."""
    input:
        unpack(retrieval.clip_files),
    output:
        clips="results/{study}/annotations/{relevancy}/clips.parquet",
    log:
        "logs/{study}/read_clips/{relevancy}.log",
    benchmark:
        "logs/{study}/read_clips/{relevancy}.tsv"
    wildcard_constraints:
        study=files.named(RetrievalStudy),
    priority: 20
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        benchmark=retrieval.benchmark,
        code=code_fingerprint("avlib.retrieval.annotations"),
    script:
        "../workflow_scripts/read_clips.py"


rule read_texts:
    """Texts, classes, sentences and questions; those of a subset are checked against all."""
    input:
        unpack(retrieval.annotation_files),
        full_tables=retrieval.full_tables,
        other_subsets=retrieval.other_subsets,
    output:
        texts="results/{study}/annotations/{relevancy}/texts.parquet",
        clip_classes="results/{study}/annotations/{relevancy}/clip_classes.parquet",
        sentences="results/{study}/annotations/{relevancy}/sentences.parquet",
        questions="results/{study}/annotations/{relevancy}/questions.parquet",
    log:
        "logs/{study}/read_texts/{relevancy}.log",
    benchmark:
        "logs/{study}/read_texts/{relevancy}.tsv"
    wildcard_constraints:
        study=files.named(RetrievalStudy),
    priority: 20
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        benchmark=retrieval.benchmark,
        code=code_fingerprint("avlib.retrieval.annotations"),
    script:
        "../workflow_scripts/read_texts.py"


rule write_word_tokenizer:
    """A tokenizer of BERT's kind with the words of the miniatures, for small encoders."""
    output:
        "results/retrieval/model/tokenizers/bert/vocab.txt",
    log:
        "logs/retrieval/write_word_tokenizer.log",
    benchmark:
        "logs/retrieval/write_word_tokenizer.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.datasets.miniature.kitchen_texts"),
    script:
        "../workflow_scripts/write_word_tokenizer.py"


use rule write_tokenizer as write_byte_tokenizer with:
    output:
        vocabulary="results/retrieval/model/tokenizers/roberta/vocab.json",
        merges="results/retrieval/model/tokenizers/roberta/merges.txt",
    log:
        "logs/retrieval/write_byte_tokenizer.log",
    benchmark:
        "logs/retrieval/write_byte_tokenizer.tsv"
    params:
        words=retrieval.words,
        code=code_fingerprint("avlib.io.text_tokens"),


rule train_encoder:
    """A small encoder of clips and texts trained on rendered examples, for the miniatures."""
    input:
        tokenizer=retrieval.small_tokenizer,
    output:
        model="results/retrieval/model/{network}/model.safetensors",
        log="results/retrieval/model/{network}/log.jsonl",
        metrics="results/retrieval/model/{network}/metrics.json",
    log:
        "logs/retrieval/train_encoder/{network}.log",
    benchmark:
        "logs/retrieval/train_encoder/{network}.tsv"
    wildcard_constraints:
        network=ENCODER,
    priority: 10
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        seed=settings.seed,
        code=code_fingerprint("avlib.retrieval.training"),
    script:
        "../workflow_scripts/train_encoder.py"


rule embed_clips:
    """Embeddings of the clips of a shard of videos; those that have not changed are kept."""
    input:
        clips="results/{study}/annotations/all/clips.parquet",
        packs=retrieval.packs,
        manifest=retrieval.manifest,
        checkpoint=retrieval.checkpoint,
        checked=retrieval.checked,
        gate=ancient(retrieval.gate),
    output:
        embeddings="results/{study}/embeddings/{network}/{shard}.h5",
        index="results/{study}/embeddings/{network}/{shard}.parquet",
    log:
        "logs/{study}/embed_clips/{network}/{shard}.log",
    benchmark:
        "logs/{study}/embed_clips/{network}/{shard}.tsv"
    wildcard_constraints:
        study=files.named(RetrievalStudy),
        network=ENCODER,
    retries: 1
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4_000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=files.gpus,
    params:
        settings=retrieval.clip_settings,
        videos=media.video_list,
        images=retrieval.images,
        previous=f"{RESULTS}/{{study}}/.cache/embeddings/{{network}}/{{shard}}.h5",
        code=retrieval.code,
    script:
        "../workflow_scripts/embed_clips.py"


rule embed_texts:
    """Embeddings of the texts of one kind, each distinct text once."""
    input:
        texts="results/{study}/annotations/all/texts.parquet",
        checkpoint=retrieval.checkpoint,
        checked=retrieval.checked,
        tokenizer=retrieval.tokenizer,
    output:
        "results/{study}/embeddings/{network}/text/{kind}.h5",
    log:
        "logs/{study}/embed_texts/{network}/{kind}.log",
    benchmark:
        "logs/{study}/embed_texts/{network}/{kind}.tsv"
    wildcard_constraints:
        study=files.named(RetrievalStudy),
        network=ENCODER,
        kind="|".join(KINDS),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=120,
        gpu=files.gpus,
    params:
        settings=retrieval.text_settings,
        code=retrieval.code,
    script:
        "../workflow_scripts/embed_texts.py"


rule evaluate_retrieval:
    """How well a network, or a pair, finds clips by texts and texts by clips."""
    input:
        tables=retrieval.annotation_tables,
        embeddings=retrieval.embedding_files,
        graded=retrieval.graded_files,
        sources=retrieval.source_files,
        models=retrieval.model_files,
    output:
        metrics="results/{study}/{model}/test_metrics.json",
        ranks="results/{study}/{model}/ranks.parquet",
    log:
        "logs/{study}/evaluate_retrieval/{model}.log",
    benchmark:
        "logs/{study}/evaluate_retrieval/{model}.tsv"
    wildcard_constraints:
        study=files.evaluated_as("retrieval"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=120,
    params:
        study=files.summary,
        evaluation=retrieval.evaluation,
        annotations=retrieval.annotations,
        embeddings=retrieval.embeddings,
        graded=retrieval.graded,
        sources=retrieval.sources,
        models=retrieval.models,
        origins=retrieval.origins,
        notes=retrieval.notes,
        code=code_fingerprint("avlib.retrieval.evaluation"),
    script:
        "../workflow_scripts/evaluate_retrieval.py"


rule gather_tables:
    """Tables 1 to 5 of the paper, each cell from a metrics file or `not run`."""
    input:
        retrieval.run_files,
    output:
        "results/retrieval/tables.json",
    log:
        "logs/retrieval/gather_tables.log",
    benchmark:
        "logs/retrieval/gather_tables.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        runs=retrieval.runs,
        code=code_fingerprint("avlib.retrieval.result_tables"),
    script:
        "../workflow_scripts/gather_tables.py"


rule draw_tables:
    """The tables as a page of the report."""
    input:
        "results/retrieval/tables.json",
    output:
        report(
            "results/retrieval/report/tables.html",
            caption="../report/retrieval.rst",
            category="Retrieval",
            labels={"study": "retrieval", "figure": "tables 1 to 5"},
        ),
    log:
        "logs/retrieval/draw_tables.log",
    benchmark:
        "logs/retrieval/draw_tables.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.retrieval"),
    script:
        "../workflow_scripts/draw_tables.py"
