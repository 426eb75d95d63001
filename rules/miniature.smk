"""Small datasets that the workflow renders itself."""


rule render_ave:
    """Videos, annotations and split lists in the layout of the Audio-Visual Event dataset."""
    output:
        annotations="results/ave/miniature/Annotations.txt",
        train="results/ave/miniature/trainSet.txt",
        val="results/ave/miniature/valSet.txt",
        test="results/ave/miniature/testSet.txt",
    log:
        "logs/ave/render_ave.log",
    benchmark:
        "logs/ave/render_ave.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.ave.miniature.model_dump(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.ave"),
    script:
        "../workflow_scripts/render_ave.py"


rule render_k600:
    """Videos and the list of classes in the layout of Kinetics-600."""
    output:
        "results/k600/miniature/kinetics_600_label_list.txt",
    log:
        "logs/k600/render_k600.log",
    benchmark:
        "logs/k600/render_k600.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.k600.miniature.model_dump(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.k600"),
    script:
        "../workflow_scripts/render_k600.py"


rule render_llp:
    """Videos of overlapping events, weak and dense labels in the layout of LLP."""
    output:
        **{name: f"results/llp/miniature/{file}" for name, file in LABEL_FILES.items()},
    log:
        "logs/llp/render_llp.log",
    benchmark:
        "logs/llp/render_llp.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.llp.miniature.model_dump(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.llp"),
    script:
        "../workflow_scripts/render_llp.py"
