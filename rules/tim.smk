"""TIM: queries and windows, training, predictions, metrics and pictures."""


rule convert_vgg:
    """The official feature files of AVE, as if they had been extracted from videos."""
    input:
        unpack(studies.annotation_files),
        unpack(studies.published_features),
    output:
        visual="results/{study}/published/vgg19/index.parquet",
        audio="results/{study}/published/vggish/index.parquet",
        intervals=[
            f"results/{{study}}/published/intervals/{split}.parquet"
            for split in SPLITS
        ],
    log:
        "logs/{study}/convert_vgg.log",
    benchmark:
        "logs/{study}/convert_vgg.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=120,
    params:
        splits=list(SPLITS),
        visual="results/{study}/published/vgg19",
        audio="results/{study}/published/vggish",
        code=code_fingerprint("avlib.extractors.ave_features"),
    script:
        "../workflow_scripts/convert_vgg.py"


rule make_queries:
    """What TIM is asked: every second of every annotation, of sound and of picture."""
    input:
        unpack(studies.annotation_files),
    output:
        "results/{study}/tim/queries.parquet",
    log:
        "logs/{study}/make_queries.log",
    benchmark:
        "logs/{study}/make_queries.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        code=code_fingerprint("avlib.tim.plan"),
    script:
        "../workflow_scripts/make_queries.py"


rule make_windows:
    """What TIM sees at once: the windows of one split, of the videos that have features."""
    input:
        unpack(studies.feature_index),
        queries="results/{study}/tim/queries.parquet",
        intervals=studies.split_intervals,
    output:
        "results/{study}/tim/windows/{split}.npz",
    log:
        "logs/{study}/make_windows/{split}.log",
    benchmark:
        "logs/{study}/make_windows/{split}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        recipe=studies.recipe,
        code=code_fingerprint("avlib.tim.plan"),
    script:
        "../workflow_scripts/make_windows.py"


rule train_tim:
    """TIM on the features of one modality or both; resumes where it was interrupted."""
    input:
        unpack(studies.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows=studies.training_windows,
        intervals=studies.training_intervals,
        initial=studies.initial_tim,
    output:
        model="results/{study}/model/tim/{modality}/model.safetensors",
        log="results/{study}/model/tim/{modality}/log.jsonl",
        metrics="results/{study}/model/tim/{modality}/metrics.json",
    log:
        "logs/{study}/train_tim/{modality}.log",
    benchmark:
        "logs/{study}/train_tim/{modality}.tsv"
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: studies.tim_processes
    resources:
        mem_mb=lambda wildcards, attempt: (
            6_000 * attempt * studies.tim_processes(wildcards)
        ),
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=studies.tim_gpus,
        processes=studies.tim_processes,  # no param: it does not change the result
    params:
        settings=studies.tim_settings,
        seed=settings.seed,
        device=settings.device,
        splits=studies.training_splits,
        visual=studies.visual_folder,
        audio=studies.audio_folder,
        state="results/{study}/.cache/train_tim/{modality}",
        code=code_fingerprint("avlib.tim.training"),
    script:
        "../workflow_scripts/train_tim.py"


rule check_tim:
    """Given weights of TIM fit the recipe and the classes; among the first jobs of a run."""
    input:
        unpack(studies.annotation_files),
        model=studies.models,
    output:
        "results/{study}/model/tim/given.json",
    log:
        "logs/{study}/check_tim.log",
    benchmark:
        "logs/{study}/check_tim.tsv"
    priority: 20
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=10,
    params:
        recipe=studies.recipe,
        code=code_fingerprint("avlib.tim.weights"),
    script:
        "../workflow_scripts/check_tim.py"


rule predict_tim:
    """The answers of every model to the queries of the test split."""
    input:
        unpack(studies.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows="results/{study}/tim/windows/test.npz",
        intervals=studies.test_intervals,
        models=studies.models,
        checked=studies.checked_tim,
    output:
        table="results/{study}/predictions.parquet",
        published="results/{study}/predictions.pkl",
    log:
        "logs/{study}/predict_tim.log",
    benchmark:
        "logs/{study}/predict_tim.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=240,
        gpu=studies.gpus,
    params:
        modalities=studies.modalities,
        recipe=studies.recipe,
        device=settings.device,
        mixed_precision=studies.predicts_mixed,
        visual=studies.visual_folder,
        audio=studies.audio_folder,
        code=code_fingerprint("avlib.tim.prediction"),
    script:
        "../workflow_scripts/predict_tim.py"


rule evaluate_ave:
    """How many one-second segments are right, by what the model sees and hears."""
    input:
        unpack(studies.feature_index),
        predictions="results/{study}/predictions.parquet",
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        manifest=studies.manifest,
        models=studies.models,
    output:
        "results/{study}/test_metrics.json",
    log:
        "logs/{study}/evaluate_ave.log",
    benchmark:
        "logs/{study}/evaluate_ave.tsv"
    wildcard_constraints:
        study=studies.named(Ave),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        study=studies.summary,
        modalities=studies.modalities,
        extractors=studies.extractors,
        backbones=studies.backbones,
        origins=studies.origins,
        inputs=studies.annotation_files,
        code=code_fingerprint("avlib.tim.ave_metrics"),
    script:
        "../workflow_scripts/evaluate_ave.py"


rule draw_confusion:
    """Which class is taken for which."""
    input:
        "results/{study}/test_metrics.json",
    output:
        report(
            "results/{study}/report/confusion.svg",
            category="Test",
            labels={"study": "{study}", "figure": "confusion matrix"},
        ),
    log:
        "logs/{study}/draw_confusion.log",
    benchmark:
        "logs/{study}/draw_confusion.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.confusion"),
    script:
        "../workflow_scripts/draw_confusion.py"


rule draw_timelines:
    """Truth and answers, second by second, of some test videos."""
    input:
        predictions="results/{study}/predictions.parquet",
        manifest=studies.manifest,
    output:
        report(
            "results/{study}/report/timelines.svg",
            category="Test",
            labels={"study": "{study}", "figure": "timelines"},
        ),
    log:
        "logs/{study}/draw_timelines.log",
    benchmark:
        "logs/{study}/draw_timelines.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.timelines"),
    script:
        "../workflow_scripts/draw_timelines.py"
