# The app in a container; docs/sharing.md says how to run it.
#
#     docker build --tag afterimage .
#     docker build --tag afterimage --build-arg TORCH_INDEX=https://pypi.org/simple .    for CUDA
FROM python:3.11-slim-bookworm

# PyTorch for the CPU; the wheels of PyPI are those for CUDA
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# PyTorch comes first: the requirements then find the variant installed that was asked for
COPY requirements.txt requirements-postgres.txt /app/
RUN grep '^torch==' /app/requirements.txt > /app/torch.txt \
    && pip install --no-cache-dir --index-url "$TORCH_INDEX" --requirement /app/torch.txt \
    && pip install --no-cache-dir --requirement /app/requirements.txt \
        --requirement /app/requirements-postgres.txt

COPY app.py serve.py /app/
COPY .streamlit/config.toml /app/.streamlit/
COPY assets /app/assets
COPY memlib /app/memlib
COPY pages /app/pages
RUN python -m compileall -q /app && chmod -R a+rX /app

# Nothing is downloaded from the Hub unless HF_HUB_OFFLINE=0 is given; without an address to show,
# Streamlit would ask a server on the internet for its own
ENV HOME=/data \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=localhost \
    STREAMLIT_CLIENT_TOOLBAR_MODE=viewer \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_PORT=8501

# Runs and verdicts are in /data/.afterimage, caches in /data/.cache, temporary files in /tmp;
# nothing else is written
RUN useradd --uid 1000 --user-group --create-home --home-dir /data afterimage
USER 1000:1000
WORKDIR /data
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
# Folders that it may read besides /data are arguments: docker run ... afterimage /models
ENTRYPOINT ["python", "/app/serve.py"]
