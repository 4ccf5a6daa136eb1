/** How many rounds each scenario runs: `npm run soak -- --rounds 50` sets it. */
export const rounds = Number(process.env.SOAK_ROUNDS ?? 2)

/** Of what happens by chance: `npm run soak -- --seed N` sets it. */
export const seed = Number(process.env.SOAK_SEED ?? Date.now() % 2 ** 31)

/** Rounds may take long when deliveries wait for a dead worker's lease to end. */
export const timeoutMs = 60_000 + rounds * 30_000
