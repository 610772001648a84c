# The worker, and every other `sluice` command that needs no embedded server. Build from the top of the checkout:
#   docker build -f ops/docker/worker.Dockerfile -t sluice-worker .
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY pyproject.toml ops/constraints.txt ./
# The dependencies alone, and those of `sluice serve`, so that this layer lasts until they change.
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['dependencies'], *project['optional-dependencies']['http'], sep='\n')" > requirements.txt \
    && python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -r requirements.txt -c constraints.txt

FROM ${PYTHON}
RUN useradd --uid 10001 --create-home sluice && install -d -o sluice -g sluice /media
COPY --from=build /venv /venv
COPY engine /opt/sluice/engine
COPY ops/policies /opt/sluice/ops/policies
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/opt/sluice/engine \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SLUICE_METRICS_HOST=0.0.0.0 \
    SLUICE_METRICS_PORT=9108 \
    SLUICE_MEDIA_STORE=/media
WORKDIR /home/sluice
USER sluice
EXPOSE 8080 9108
ENTRYPOINT ["python", "-m", "sluice"]
CMD ["worker"]
