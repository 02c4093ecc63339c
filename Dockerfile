# For those who prefer a container; on Debian 13's glibc no wheel is repaired.
#   docker build -t tensorline .
#   docker run --rm -it -p 127.0.0.1:5000:5000 tensorline make run
FROM python:3.11-slim-trixie

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home tensorline

USER tensorline
WORKDIR /home/tensorline/tensorline
COPY --chown=tensorline:tensorline . .
# The download cache is of no use in an image.
RUN UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 make setup

CMD ["make", "run"]
