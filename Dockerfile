# The whole system in one image: docker build -t datasette-stripe .

FROM debian:trixie-slim AS base
# The user that everything runs as; the same number as the first user of most hosts, so that a file in a
# bind-mounted folder is readable there.
RUN useradd --uid 1000 --user-group --no-create-home --home-dir /tmp --shell /bin/bash datasette

FROM base AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils ca-certificates libatomic1 nodejs npm python3-venv
WORKDIR /app

# Dependencies first: a change to a source file leaves these layers as they are.
COPY apps/container/datasette/requirements.txt apps/container/datasette/
RUN python3 -m venv apps/container/.venv \
 && apps/container/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    -r apps/container/datasette/requirements.txt \
 && apps/container/.venv/bin/pip check \
 && apps/container/.venv/bin/pip uninstall --yes --quiet pip

COPY package.json package-lock.json .npmrc ./
COPY packages/auth-proxy/package.json packages/auth-proxy/
COPY packages/health/package.json packages/health/
COPY packages/search-index/package.json packages/search-index/
COPY packages/snapshot/package.json packages/snapshot/
COPY packages/stripe-emulator/package.json packages/stripe-emulator/
COPY packages/supervisor/package.json packages/supervisor/
COPY packages/tdog/package.json packages/tdog/
COPY apps/container/package.json apps/container/
# No package needs its install script but `node`, which fetches the runtime for this platform by it.
RUN npm ci --ignore-scripts --loglevel error \
 && npm rebuild node \
 && strip --strip-unneeded -o /usr/local/bin/node "$(readlink -f node_modules/node/bin/node)" \
 && node --version

COPY tsconfig.base.json ./
COPY packages packages
COPY apps/container apps/container
RUN node_modules/.bin/tsc -b apps/container/tsconfig.lib.json
RUN npm ci --ignore-scripts --loglevel error --omit=dev --workspace @datasette-stripe/container \
 && find packages apps -name '*.tsbuildinfo' -delete \
 && find packages apps node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -type f -delete \
 && rm -rf packages/*/src packages/*/test packages/*/tsconfig* packages/*/vitest.config.ts \
    apps/container/src apps/container/tsconfig* apps/container/vitest.config.ts apps/container/test \
    apps/container/datasette/tests .npmrc package-lock.json tsconfig.base.json \
 && for tool in datasette-auth-proxy sqlite-snapshot stripe-emulator supervise tdog; do \
      ln -s "/app/node_modules/.bin/$tool" "/usr/local/bin/$tool"; done \
 && ln -s /app/apps/container/.venv/bin/datasette /usr/local/bin/datasette
COPY docker docker
RUN for script in docker/*.sh; do install -m 755 "$script" "/usr/local/bin/$(basename "$script" .sh)"; done \
 && rm -r docker

FROM base
# sqlite3 and htop are for who opens a console on the container; the rest is what runs.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates htop libatomic1 libstdc++6 python3 sqlite3 tini tzdata \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
COPY --from=build /usr/local/bin /usr/local/bin
COPY --from=build /app /app
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data HOME=/tmp PYTHONDONTWRITEBYTECODE=1
# A new named volume takes its owner from here, so that `--user 1000` works on it too.
RUN install -d -o datasette -g datasette /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["entrypoint"]
CMD ["datasette-stripe"]
