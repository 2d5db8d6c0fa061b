import { createHmac, randomBytes } from 'node:crypto';

/**
 * Credentials that were right before, from the same client address: these need no bcrypt again, and pass
 * however many wrong guesses others behind the same address have made since.
 */
export interface KnownGood {
  has(...parts: readonly string[]): boolean;
  add(...parts: readonly string[]): void;
}

const MAX_ENTRIES = 10_000;

/** Keeps keyed hashes in memory, never the credentials. */
export function createKnownGood(): KnownGood {
  const hmacKey = randomBytes(32);
  const entries = new Set<string>();
  const hash = (parts: readonly string[]): string =>
    createHmac('sha256', hmacKey).update(JSON.stringify(parts)).digest('base64url');
  return {
    has: (...parts) => entries.has(hash(parts)),
    add: (...parts) => {
      const entry = hash(parts);
      entries.delete(entry);
      entries.add(entry);
      const oldest = entries.values().next().value;
      if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
    },
  };
}
