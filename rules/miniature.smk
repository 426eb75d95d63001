"""Small datasets that the workflow renders itself."""


rule render_ave:
    """Videos, annotations and split lists in the layout of the Audio-Visual Event dataset."""
    output:
        annotations=f"results/{settings.ave.name}/miniature/Annotations.txt",
        train=f"results/{settings.ave.name}/miniature/trainSet.txt",
        val=f"results/{settings.ave.name}/miniature/valSet.txt",
        test=f"results/{settings.ave.name}/miniature/testSet.txt",
    log:
        f"logs/{settings.ave.name}/render_ave.log",
    benchmark:
        f"logs/{settings.ave.name}/render_ave.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.ave.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.ave"),
    script:
        "../workflow_scripts/render_ave.py"


rule render_epic:
    """Videos and tables of actions and sounds in the layout of EPIC-KITCHENS-100."""
    output:
        expand(
            f"results/{settings.epic.name}/miniature/{{file}}",
            file=settings.epic.rendered_annotations.values(),
        ),
    log:
        f"logs/{settings.epic.name}/render_epic.log",
    benchmark:
        f"logs/{settings.epic.name}/render_epic.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.epic.miniature.model_dump(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.epic"),
    script:
        "../workflow_scripts/render_epic.py"


rule render_perception:
    """Videos and annotation files in the layout of Perception Test."""
    output:
        expand(
            f"results/{settings.perception.name}/miniature/{{file}}",
            file=settings.perception.rendered_annotations.values(),
        ),
    log:
        f"logs/{settings.perception.name}/render_perception.log",
    benchmark:
        f"logs/{settings.perception.name}/render_perception.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.perception.miniature.model_dump(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.perception"),
    script:
        "../workflow_scripts/render_perception.py"


rule render_k600:
    """Videos and the list of classes in the layout of Kinetics-600."""
    output:
        f"results/{settings.k600.name}/miniature/kinetics_600_label_list.txt",
    log:
        f"logs/{settings.k600.name}/render_k600.log",
    benchmark:
        f"logs/{settings.k600.name}/render_k600.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.k600.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.k600"),
    script:
        "../workflow_scripts/render_k600.py"


rule render_llp:
    """Videos of overlapping events, weak and dense labels in the layout of LLP."""
    output:
        **{
            name: f"results/{settings.llp.name}/miniature/{file}"
            for name, file in LABEL_FILES.items()
        },
    log:
        f"logs/{settings.llp.name}/render_llp.log",
    benchmark:
        f"logs/{settings.llp.name}/render_llp.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        size=settings.llp.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.llp"),
    script:
        "../workflow_scripts/render_llp.py"


rule render_epic_mir:
    """Videos and tables in the layout of AudioEpicMIR."""
    output:
        expand(
            f"results/{settings.epic_mir.name}/miniature/{{table}}",
            table=settings.epic_mir.rendered_tables(),
        ),
    log:
        f"logs/{settings.epic_mir.name}/render_epic_mir.log",
    benchmark:
        f"logs/{settings.epic_mir.name}/render_epic_mir.tsv"
    conda:
        "../envs/avlib.yaml"
    threads: 2
    resources:
        mem_mb=1_000,
        runtime=30,
    params:
        benchmark="epic_mir",
        size=settings.epic_mir.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.retrieval"),
    script:
        "../workflow_scripts/render_retrieval.py"


use rule render_epic_mir as render_ego_mcq with:
    output:
        expand(
            f"results/{settings.ego_mcq.name}/miniature/{{table}}",
            table=settings.ego_mcq.rendered_tables(),
        ),
    log:
        f"logs/{settings.ego_mcq.name}/render_ego_mcq.log",
    benchmark:
        f"logs/{settings.ego_mcq.name}/render_ego_mcq.tsv"
    params:
        benchmark="ego_mcq",
        size=settings.ego_mcq.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.retrieval"),


use rule render_epic_mir as render_epic_sounds_ret with:
    output:
        expand(
            f"results/{settings.epic_sounds_ret.name}/miniature/{{table}}",
            table=settings.epic_sounds_ret.rendered_tables(),
        ),
    log:
        f"logs/{settings.epic_sounds_ret.name}/render_epic_sounds_ret.log",
    benchmark:
        f"logs/{settings.epic_sounds_ret.name}/render_epic_sounds_ret.tsv"
    params:
        benchmark="epic_sounds_ret",
        size=settings.epic_sounds_ret.miniature.as_arguments(),
        seed=settings.seed,
        code=code_fingerprint("avlib.datasets.miniature.retrieval"),
