# The agent in an image: Debian slim, the Node of the package, nftables and iproute2. Nothing of the machine is needed
# but a Linux kernel (liburna doctor tells what it lacks).
#
#   docker build -t liburna .
#   docker build --build-arg BASE=registry.example/debian:13-slim -t liburna .

ARG BASE=debian:13-slim

# npm and whatever Node Debian has: only to install; everything runs with the Node of the package.
FROM ${BASE} AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends npm ca-certificates \
 && rm -rf /var/lib/apt/lists/*

# What runs later: the packages of the lock file for production.
FROM tools AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Debian's npm makes no link for an optional package.
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error \
 && ln -sf "../$(basename node_modules/node-linux-*)/bin/node" node_modules/.bin/node

FROM tools AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error \
 && ln -sf "../$(basename node_modules/node-linux-*)/bin/node" node_modules/.bin/node
COPY tsconfig.json ./
COPY src ./src
RUN PATH=/build/node_modules/.bin:$PATH npm run prepack

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="liburna" \
      org.opencontainers.image.description="Node-level data-plane enforcer: pod identity in the connection's own handshake, policy by labels" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Caches and logs go: they hold times, and would make every build another image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends nftables iproute2 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json README.md LICENSE ./
ENV PATH=/app/node_modules/.bin:$PATH NODE_ENV=production
# Network namespaces, nftables, BPF and transparent sockets need root with CAP_NET_ADMIN, CAP_SYS_ADMIN and CAP_BPF.
USER 0:0
# Alive is enough here; whether it is ready is for /readyz. The port is that of the default admin.listen.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9901/healthz').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The agent flushes its records and lets connections finish when asked to stop.
STOPSIGNAL SIGTERM
# Short-lived objects may take 2 x 16 MiB; left alone, V8 takes 134 MB in a burst of connections, and is no faster (bench/README.md).
ENTRYPOINT ["node", "--max-semi-space-size=16", "/app/dist/main.js"]
CMD ["run", "--config", "/etc/liburna/node.yaml"]
