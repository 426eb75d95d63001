"""Section of the download of published videos."""

from typing import Annotated

from pydantic import Field, field_validator

from avlib.sections import Section, UserPath

ID = "{video_id}"
NotNegative = Annotated[float, Field(ge=0)]


class Download(Section):
    """How videos are fetched; one that is there is left alone."""

    url: str = Field(
        f"https://www.youtube.com/watch?v={ID}", description=f"Page of a video, with {ID}"
    )
    cookies: UserPath | None = Field(
        None, description="File of cookies (Netscape's format); renewed cookies are written back"
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        3, description="Further attempts where the network or the site fails"
    )
    backoff_s: NotNegative = Field(
        5.0, description="Seconds before the first of them, twice as many before each further one"
    )
    pause_s: NotNegative = Field(0.0, description="Seconds between two videos")

    @field_validator("url")
    @classmethod
    def _names_the_video(cls, url: str) -> str:
        if ID not in url:
            raise ValueError(f"must contain {ID}, the place of the video's id")
        return url
