# syntax=docker/dockerfile:1
# The service, without torch:
#   docker build -t diffcrossgait .
# on a CUDA GPU, with an image that has the CUDA and cuDNN libraries and python3 of 3.11 or newer:
#   docker build -t diffcrossgait:cuda --build-arg BASE=nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04 \
#     --build-arg BUILD_BASE=ubuntu:24.04 .
# Both bases must have the same python3.
ARG BUILD_BASE=python:3.12-slim-bookworm
ARG BASE=python:3.12-slim-bookworm

FROM ${BUILD_BASE} AS wheels
COPY scripts/base-packages /build/scripts/
RUN sh /build/scripts/base-packages
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY scripts/build-wheels ./scripts/
COPY gait ./gait
COPY capture ./capture
COPY gallery ./gallery
COPY serve ./serve
RUN bash scripts/build-wheels /wheels

FROM ${BASE}
COPY scripts/base-packages /opt/gait/scripts/
RUN sh /opt/gait/scripts/base-packages
COPY scripts/install-service scripts/start-service scripts/healthy /opt/gait/scripts/
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    bash /opt/gait/scripts/install-service /wheels /opt/gait/venv \
    && mkdir /data && chown 10001:10001 /data
ENV DIFFCROSSGAIT_DATA=/data \
    DIFFCROSSGAIT_HOST=0.0.0.0 \
    DIFFCROSSGAIT_PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/gait/venv/bin/python", "/opt/gait/scripts/healthy"]
CMD ["bash", "/opt/gait/scripts/start-service", "/opt/gait/venv"]
