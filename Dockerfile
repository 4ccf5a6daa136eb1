# Everything that compiling needs. Install scripts would only unpack what the image leaves out.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

# What running needs: no compiler, no embedded PostgreSQL, no second Node.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/build ./build
COPY package.json LICENSE ./

# Files belong to root and are read only to the user that runs them; nothing is written inside the image.
USER node
EXPOSE 8787
STOPSIGNAL SIGTERM

# Asks whether the process lives, not whether the database does: restarting gateways does not bring a database back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "const hasTls = Boolean(process.env.TLS_CERT_FILE); require(hasTls ? 'node:https' : 'node:http').get({ host: '127.0.0.1', port: process.env.PORT || 8787, path: '/healthz', rejectUnauthorized: false }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]

CMD ["node", "build/main.js"]
