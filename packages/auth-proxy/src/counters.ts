import type { Counters } from './options.ts';
import type { Outcome } from './visit.ts';

/** Counts what happens. Plain numbers: an exporter names them as it likes. */
export interface Tally {
  outcome(outcome: Outcome): void;
  granted(by: string): void;
  signIn(): void;
  signOut(): void;
  websocket(): void;
  read(
    now: Pick<Counters, 'openWebsockets' | 'sessions' | 'guessers' | 'cacheEntries' | 'cacheBytes'>,
  ): Counters;
}

/** Starts at zero. */
export function createTally(): Tally {
  const requests: Record<Outcome, number> = {
    proxied: 0,
    cached: 0,
    notModified: 0,
    open: 0,
    own: 0,
    unauthenticated: 0,
    wrongCredentials: 0,
    limited: 0,
    refused: 0,
    malformed: 0,
    insecure: 0,
    crossSite: 0,
    upstreamFailed: 0,
  };
  const granted = new Map<string, number>();
  let signIns = 0;
  let signOuts = 0;
  let websockets = 0;
  return {
    outcome: (outcome) => void (requests[outcome] += 1),
    granted: (by) => void granted.set(by, (granted.get(by) ?? 0) + 1),
    signIn: () => void (signIns += 1),
    signOut: () => void (signOuts += 1),
    websocket: () => void (websockets += 1),
    read: (now) => ({
      requests: { ...requests },
      granted: Object.fromEntries(granted),
      signIns,
      signOuts,
      websockets,
      ...now,
    }),
  };
}
