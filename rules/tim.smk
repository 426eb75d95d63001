"""TIM: queries and windows, training, predictions, metrics and figures."""


rule convert_vgg:
    """The official feature files of AVE, as if they had been extracted from videos."""
    input:
        unpack(media.annotation_files),
        unpack(tim.published_features),
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
    wildcard_constraints:
        study=files.evaluated_as("ave"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=120,
    params:
        splits=list(SPLITS),
        visual=f"{RESULTS}/{{study}}/published/vgg19",
        audio=f"{RESULTS}/{{study}}/published/vggish",
        code=code_fingerprint("avlib.extractors.ave_features"),
    script:
        "../workflow_scripts/convert_vgg.py"


use rule convert_intervals as convert_split_intervals with:
    input:
        tim.given_intervals,
    output:
        "results/{study}/published/intervals/{split}.parquet",
    log:
        "logs/{study}/convert_split_intervals/{split}.log",
    benchmark:
        "logs/{study}/convert_split_intervals/{split}.tsv"
    wildcard_constraints:
        study=files.evaluated_as("events"),


rule index_published:
    """Which videos have published features, which are used where they are."""
    input:
        events="results/{study}/events.parquet",
        intervals=tim.published_intervals,
    output:
        "results/{study}/published/{modality}/index.parquet",
    log:
        "logs/{study}/index_published/{modality}.log",
    benchmark:
        "logs/{study}/index_published/{modality}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        folders=tim.published_folders,
        stamps=tim.published_stamps,
        splits=tim.given_splits,
        code=code_fingerprint("avlib.extractors.published_features"),
    script:
        "../workflow_scripts/index_published.py"


rule make_queries:
    """The queries, audio and visual, and the videos that have any."""
    input:
        unpack(media.annotation_files),
        manifest=tim.query_manifest,
    output:
        queries="results/{study}/tim/queries.parquet",
        videos="results/{study}/tim/videos.parquet",
    log:
        "logs/{study}/make_queries.log",
    benchmark:
        "logs/{study}/make_queries.tsv"
    priority: 20  # what is wrong with annotations is found before the features are made
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        dataset=media.dataset,
        files=media.annotation_files,
        seed=media.split_seed,
        code=code_fingerprint("avlib.tim.queries"),
    script:
        "../workflow_scripts/make_queries.py"


rule make_windows:
    """The windows of one split, of the videos that have features."""
    input:
        unpack(tim.feature_index),
        queries="results/{study}/tim/queries.parquet",
        videos="results/{study}/tim/videos.parquet",
        intervals=tim.split_intervals,
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
        recipe=tim.recipe,
        code=code_fingerprint("avlib.tim.plan"),
    script:
        "../workflow_scripts/make_windows.py"


rule train_tim:
    """TIM on the features of one modality or both; resumes where it was interrupted."""
    input:
        unpack(tim.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows=tim.training_windows,
        intervals=tim.training_intervals,
        initial=tim.initial_weights,
    output:
        model="results/{study}/model/tim/{model}/model.safetensors",
        log="results/{study}/model/tim/{model}/log.jsonl",
        metrics="results/{study}/model/tim/{model}/metrics.json",
    log:
        "logs/{study}/train_tim/{model}.log",
    benchmark:
        "logs/{study}/train_tim/{model}.tsv"
    wildcard_constraints:
        model=TIM_MODEL,
    retries: 2
    conda:
        "../envs/avlib.yaml"
    threads: tim.processes
    resources:
        mem_mb=lambda wildcards, attempt: (6_000 * attempt * tim.processes(wildcards)),
        runtime=lambda wildcards, attempt: 1_440 * attempt,
        gpu=tim.gpus,
        processes=tim.processes,  # no param: it does not change the result
    params:
        settings=tim.settings,
        key=tim.key,
        seed=settings.seed,
        device=settings.device,
        splits=tim.training_splits,
        features=tim.feature_folders,
        allow_fewer_views=tim.allow_fewer_views,
        state=f"{RESULTS}/{{study}}/.cache/train_tim/{{model}}",
        code=code_fingerprint("avlib.tim.training"),
    script:
        "../workflow_scripts/train_tim.py"


rule weigh_tim:
    """How the models of a study answer together, by the validation split."""
    input:
        unpack(tim.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows=tim.weighing_windows,
        intervals=tim.weighing_intervals,
        models=tim.models,
    output:
        "results/{study}/model/tim/ensemble.json",
    log:
        "logs/{study}/weigh_tim.log",
    benchmark:
        "logs/{study}/weigh_tim.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=60,
        gpu=files.gpus,
    params:
        models=tim.model_names,
        recipe=tim.recipe,
        splits=tim.weighing_splits,
        device=settings.device,
        features=tim.feature_folders,
        allow_fewer_views=tim.allow_fewer_views,
        code=code_fingerprint("avlib.tim.weighing"),
    script:
        "../workflow_scripts/weigh_tim.py"


rule predict_tim:
    """The predictions of every model for the queries of the split that is evaluated."""
    input:
        unpack(tim.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows=tim.evaluated_windows,
        intervals=tim.evaluated_intervals,
        models=tim.models,
        ensemble=tim.ensemble,
        checked=tim.checked,
    output:
        table="results/{study}/predictions.parquet",
        published="results/{study}/predictions.pkl",
        losses="results/{study}/tim/losses.json",
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
        gpu=files.gpus,
    params:
        models=tim.model_names,
        recipe=tim.recipe,
        split=tim.evaluated_split,
        device=settings.device,
        mixed_precision=tim.predicts_mixed,
        features=tim.feature_folders,
        allow_fewer_views=tim.allow_fewer_views,
        code=code_fingerprint("avlib.tim.prediction"),
    script:
        "../workflow_scripts/predict_tim.py"


rule describe_tim:
    """What `python -m avlib predict` needs to know of the study, beside its weights."""
    input:
        models=tim.models,
        queries="results/{study}/tim/queries.parquet",
        features=tim.all_feature_tables,
    output:
        "results/{study}/model/tim.json",
    log:
        "logs/{study}/describe_tim.log",
    benchmark:
        "logs/{study}/describe_tim.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        models=tim.model_names,
        settings=tim.description,
        device=settings.device,
        code=code_fingerprint("avlib.predict.description"),
    script:
        "../workflow_scripts/describe_tim.py"


use rule predict_tim as predict_submission with:
    input:
        unpack(tim.feature_index),
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        windows="results/{study}/tim/windows/test.npz",
        intervals=tim.test_intervals,
        models=tim.submission_models,
        checked=tim.checked,
    output:
        table="results/{study}/submission/predictions.parquet",
        published="results/{study}/submission/predictions.pkl",
        losses="results/{study}/submission/losses.json",
    log:
        "logs/{study}/predict_submission.log",
    benchmark:
        "logs/{study}/predict_submission.tsv"
    params:
        models=tim.submission_model_names,
        recipe=tim.recipe,
        split="test",
        device=settings.device,
        mixed_precision=tim.predicts_mixed,
        features=tim.feature_folders,
        allow_fewer_views=tim.allow_fewer_views,
        code=code_fingerprint("avlib.tim.prediction"),


rule write_submission:
    """The predictions of unlabelled actions as the EPIC-KITCHENS challenge takes them, checked."""
    input:
        predictions="results/{study}/submission/predictions.parquet",
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
    output:
        "results/{study}/submission.zip",
    log:
        "logs/{study}/write_submission.log",
    benchmark:
        "logs/{study}/write_submission.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        split="test",
        supervision=tim.supervision,
        code=code_fingerprint("avlib.tim.submission"),
    script:
        "../workflow_scripts/write_submission.py"


rule evaluate_ave:
    """The accuracy of one-second segments, by the modality of the model."""
    input:
        unpack(tim.feature_index),
        predictions="results/{study}/predictions.parquet",
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        manifest=tim.manifest,
        models=tim.models,
    output:
        "results/{study}/test_metrics.json",
    log:
        "logs/{study}/evaluate_ave.log",
    benchmark:
        "logs/{study}/evaluate_ave.tsv"
    wildcard_constraints:
        study=files.evaluated_as("ave"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        study=files.summary,
        models=tim.model_names,
        features=tim.feature_tables,
        backbones=tim.backbones,
        origins=tim.origins,
        inputs=media.annotation_files,
        code=code_fingerprint("avlib.tim.ave_metrics"),
    script:
        "../workflow_scripts/evaluate_ave.py"


rule evaluate_events:
    """The accuracy of annotated actions and sounds, by model, and of subsets of them."""
    input:
        predictions="results/{study}/predictions.parquet",
        losses="results/{study}/tim/losses.json",
        queries="results/{study}/tim/queries.parquet",
        classes="results/{study}/classes.json",
        manifest=tim.manifest,
        models=tim.models,
        features=tim.all_feature_tables,
        tail=tim.tail_files,
    output:
        "results/{study}/test_metrics.json",
    log:
        "logs/{study}/evaluate_events.log",
    benchmark:
        "logs/{study}/evaluate_events.tsv"
    wildcard_constraints:
        study=files.evaluated_as("events"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        study=files.summary,
        split=tim.evaluated_split,
        models=tim.model_names,
        features=tim.feature_tables,
        tail_classes=tim.tail_classes,
        backbones=tim.backbones,
        origins=tim.origins,
        inputs=media.annotation_files,
        code=code_fingerprint("avlib.tim.event_metrics"),
    script:
        "../workflow_scripts/evaluate_events.py"


rule draw_confusion:
    """The confusion matrix of the test split."""
    input:
        "results/{study}/test_metrics.json",
    output:
        report(
            "results/{study}/report/confusion.svg",
            caption="../report/confusion.rst",
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


rule draw_event_tables:
    """The accuracies by head, subset and class as tables."""
    input:
        "results/{study}/test_metrics.json",
    output:
        report(
            "results/{study}/report/tables.html",
            caption="../report/event_tables.rst",
            category="Test",
            labels={"study": "{study}", "figure": "heads, subsets and classes"},
        ),
    log:
        "logs/{study}/draw_event_tables.log",
    benchmark:
        "logs/{study}/draw_event_tables.tsv"
    wildcard_constraints:
        study=files.evaluated_as("events"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.event_tables"),
    script:
        "../workflow_scripts/draw_event_tables.py"


rule draw_timelines:
    """Truth and predictions, second by second, of some test videos."""
    input:
        predictions="results/{study}/predictions.parquet",
        manifest=tim.manifest,
    output:
        report(
            "results/{study}/report/timelines.svg",
            caption="../report/timelines.rst",
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
        mem_mb=2_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.timelines"),
    script:
        "../workflow_scripts/draw_timelines.py"
