"""Download of videos of published lists, a separate step that no other target requires."""


rule download_llp:
    """Clips of LLP in the folder llp.videos; continues after an interruption."""
    input:
        lambda wildcards: valor.download_list(settings.llp),
    output:
        f"results/{settings.llp.name}/download.csv",
    log:
        f"logs/{settings.llp.name}/download_llp.log",
    benchmark:
        f"logs/{settings.llp.name}/download_llp.tsv"
    # Nodes of a cluster seldom reach the internet.
    localrule: True
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
    params:
        folder=lambda wildcards: valor.download_folder(settings.llp),
        settings=settings.llp.download.model_dump(),
        key=settings.llp.key("download"),
        code=code_fingerprint("avlib.valor.download"),
    script:
        "../workflow_scripts/download_videos.py"
