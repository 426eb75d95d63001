"""Labelled soundtracks: audio images, training, scores, audio-visual fusion, metrics."""


rule label_files:
    """Which files a study has, each with its class, split and fold."""
    input:
        rendered=media.rendered_files,
        lists=soundtracks.label_lists,
    output:
        labels="results/{study}/labels.parquet",
        classes="results/{study}/classes.json",
    log:
        "logs/{study}/label_files.log",
    benchmark:
        "logs/{study}/label_files.tsv"
    wildcard_constraints:
        study=files.named(SoundtrackStudy),
    priority: 20  # given weights are checked against the classes
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        source=soundtracks.label_source,
        fingerprints=media.fingerprints,
        code=code_fingerprint("avlib.soundtracks.labelling"),
    script:
        "../workflow_scripts/label_files.py"


rule pack_audio_images:
    """Log-mel spectrograms of a shard's sound, one image every 0.96 s, one dataset a video."""
    input:
        pack="results/{study}/audio/{shard}.h5",
        manifest="results/{study}/audio/{shard}.parquet",
    output:
        pack="results/{study}/mel/{shard}.h5",
        index="results/{study}/mel/{shard}.parquet",
    log:
        "logs/{study}/pack_audio_images/{shard}.log",
    benchmark:
        "logs/{study}/pack_audio_images/{shard}.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_500,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        mel=soundtracks.mel,
        pads_short=soundtracks.pads_short,
        previous=f"{RESULTS}/{{study}}/.cache/mel/{{shard}}.h5",
        code=code_fingerprint("avlib.soundtracks.image_packs"),
    script:
        "../workflow_scripts/pack_audio_images.py"


rule train_soundtrack:
    """The soundtrack network, trained on the audio images; resumes after an interruption."""
    input:
        labels="results/{study}/labels.parquet",
        classes="results/{study}/classes.json",
        packs=soundtracks.image_packs,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        model="results/{study}/model/soundtrack/{fold}/model.safetensors",
        log="results/{study}/model/soundtrack/{fold}/log.jsonl",
        metrics="results/{study}/model/soundtrack/{fold}/metrics.json",
    log:
        "logs/{study}/train_soundtrack/{fold}.log",
    benchmark:
        "logs/{study}/train_soundtrack/{fold}.tsv"
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
        training=soundtracks.training,
        network=soundtracks.network,
        seed=settings.seed,
        device=settings.device,
        state=f"{RESULTS}/{{study}}/.cache/train_soundtrack/{{fold}}",
        code=code_fingerprint("avlib.soundtracks.training"),
    script:
        "../workflow_scripts/train_soundtrack.py"


rule score_soundtracks:
    """Scores of every clip, and of every soundtrack by its clips."""
    input:
        labels="results/{study}/labels.parquet",
        classes="results/{study}/classes.json",
        packs=soundtracks.image_packs,
        indices=soundtracks.image_indices,
        model=soundtracks.weights,
        checked=soundtracks.checked,
        gate=ancient("results/{study}/manifest.parquet"),
    output:
        clip_scores="results/{study}/scores/{fold}/clip_scores.npy",
        clip_index="results/{study}/scores/{fold}/clip_index.parquet",
        scores="results/{study}/scores/{fold}/soundtrack_scores.npy",
        table="results/{study}/scores/{fold}/soundtracks.parquet",
    log:
        "logs/{study}/score_soundtracks/{fold}.log",
    benchmark:
        "logs/{study}/score_soundtracks/{fold}.tsv"
    wildcard_constraints:
        study=files.named(SoundtrackStudy),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=8_000,
        runtime=240,
        gpu=files.gpus,
    params:
        space=soundtracks.pooling,
        device=settings.device,
        code=code_fingerprint("avlib.soundtracks.scoring"),
    script:
        "../workflow_scripts/score_soundtracks.py"


rule describe_soundtracks:
    """What `python -m avlib predict` needs to know of the study, beside its weights."""
    input:
        models=soundtracks.fold_weights,
        classes="results/{study}/classes.json",
        checked=soundtracks.checked,
    output:
        "results/{study}/model/soundtrack.json",
    log:
        "logs/{study}/describe_soundtracks.log",
    benchmark:
        "logs/{study}/describe_soundtracks.tsv"
    wildcard_constraints:
        study=files.named(SoundtrackStudy),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        folds=soundtracks.folds,
        settings=soundtracks.description,
        device=settings.device,
        code=code_fingerprint("avlib.predict.soundtrack_description"),
    script:
        "../workflow_scripts/describe_soundtracks.py"


rule span_events:
    """Each labelled video as one event from its start to its end."""
    input:
        labels="results/{study}/labels.parquet",
        manifest="results/{study}/manifest.parquet",
    output:
        "results/{study}/events.parquet",
    log:
        "logs/{study}/span_events.log",
    benchmark:
        "logs/{study}/span_events.tsv"
    wildcard_constraints:
        study=files.named(SoundtrackStudy),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
        runtime=30,
    params:
        code=code_fingerprint("avlib.soundtracks.labelling"),
    script:
        "../workflow_scripts/span_events.py"


rule score_videos:
    """Visual scores of every video, by the Omnivore trained on the study."""
    input:
        events="results/{study}/events.parquet",
        classes="results/{study}/classes.json",
        packs=files.frame_packs,
        model="results/{study}/model/omnivore/model.safetensors",
    output:
        scores="results/{study}/scores/video/scores.npy",
        table="results/{study}/scores/video/videos.parquet",
    log:
        "logs/{study}/score_videos.log",
    benchmark:
        "logs/{study}/score_videos.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=240,
        gpu=files.gpus,
    params:
        rate_fps=media.frame_rate,
        device=settings.device,
        code=code_fingerprint("avlib.soundtracks.video_scores"),
    script:
        "../workflow_scripts/score_videos.py"


rule fuse_scores:
    """Fused audio and visual scores, at every weight and at the chosen one."""
    input:
        unpack(soundtracks.video_scores),
        audio="results/{study}/scores/all/soundtrack_scores.npy",
        soundtracks="results/{study}/scores/all/soundtracks.parquet",
        classes="results/{study}/classes.json",
    output:
        report="results/{study}/fusion.json",
        sweep="results/{study}/sweep.csv",
        answers="results/{study}/answers.parquet",
    log:
        "logs/{study}/fuse_scores.log",
    benchmark:
        "logs/{study}/fuse_scores.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=8_000,
        runtime=60,
    params:
        fusion=soundtracks.fusion,
        code=code_fingerprint("avlib.soundtracks.fusion"),
    script:
        "../workflow_scripts/fuse_scores.py"


rule evaluate_k600:
    """Accuracy of audio, visual and fused scores."""
    input:
        labels="results/{study}/labels.parquet",
        fusion="results/{study}/fusion.json",
        answers="results/{study}/answers.parquet",
        sweep="results/{study}/sweep.csv",
        scores="results/{study}/scores/all/soundtrack_scores.npy",
        soundtracks="results/{study}/scores/all/soundtracks.parquet",
        classes="results/{study}/classes.json",
        manifest="results/{study}/manifest.parquet",
        images=soundtracks.image_indices,
        model=soundtracks.joint_weights,
        video=soundtracks.video_model,
    output:
        "results/{study}/test_metrics.json",
    log:
        "logs/{study}/evaluate_k600.log",
    benchmark:
        "logs/{study}/evaluate_k600.tsv"
    wildcard_constraints:
        study=files.evaluated_as("k600"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=8_000,
        runtime=30,
    params:
        study=files.summary,
        origins=soundtracks.origins,
        inputs=soundtracks.outside_files,
        code=code_fingerprint("avlib.soundtracks.k600_metrics"),
    script:
        "../workflow_scripts/evaluate_k600.py"


rule evaluate_sounds:
    """Accuracy on labelled sounds, over all folds where there are folds."""
    input:
        labels="results/{study}/labels.parquet",
        scores=soundtracks.fold_scores,
        soundtracks=soundtracks.fold_soundtracks,
        classes="results/{study}/classes.json",
        manifest="results/{study}/manifest.parquet",
        images=soundtracks.image_indices,
        models=soundtracks.fold_weights,
    output:
        "results/{study}/test_metrics.json",
    log:
        "logs/{study}/evaluate_sounds.log",
    benchmark:
        "logs/{study}/evaluate_sounds.tsv"
    wildcard_constraints:
        study=files.evaluated_as("sounds"),
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        study=files.summary,
        folds=soundtracks.folds,
        origins=soundtracks.origins,
        inputs=soundtracks.outside_files,
        code=code_fingerprint("avlib.soundtracks.sounds_metrics"),
    script:
        "../workflow_scripts/evaluate_sounds.py"


rule draw_sweep:
    """Accuracy of the fusion against the weight of the audio."""
    input:
        sweep="results/{study}/sweep.csv",
        fusion="results/{study}/fusion.json",
    output:
        report(
            "results/{study}/report/sweep.svg",
            caption="../report/sweep.rst",
            category="Test",
            labels={"study": "{study}", "figure": "weight of the audio"},
        ),
    log:
        "logs/{study}/draw_sweep.log",
    benchmark:
        "logs/{study}/draw_sweep.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=1_000,
        runtime=10,
    params:
        code=code_fingerprint("avlib.report.sweep"),
    script:
        "../workflow_scripts/draw_sweep.py"
