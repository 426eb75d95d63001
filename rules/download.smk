"""Videos of published lists, fetched before the study that needs them; no target asks for it."""


rule download_llp:
    """LLP's clips, into the folder llp.videos; continues where it was interrupted."""
    input:
        studies.download_list,
    output:
        "results/llp/download.csv",
    log:
        "logs/llp/download_llp.log",
    benchmark:
        "logs/llp/download_llp.tsv"
    # Nodes of a cluster seldom reach the internet.
    localrule: True
    conda:
        "../envs/avlib.yaml"
    threads: 1
    resources:
        mem_mb=2_000,
    params:
        folder=studies.download_folder,
        settings=studies.download_settings,
        code=code_fingerprint("avlib.valor.download"),
    script:
        "../workflow_scripts/download_videos.py"
