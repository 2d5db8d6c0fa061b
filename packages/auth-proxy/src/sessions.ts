import type { Identity } from './authenticators/authenticator.ts';
import { digest, randomToken } from './secrets.ts';
import { openStateFile } from './state-file.ts';

/** One signed-in browser. */
export interface Session {
  readonly identity: Identity;
  /** When it signed in, ms. */
  readonly createdAt: number;
  /** Latest request, ms. */
  lastSeenAt: number;
  /** When the cookie was last sent, ms: its Max-Age is renewed as the session lives on. */
  cookieSentAt: number;
}

/** Sessions kept on the server: the browser holds nothing but a random value. */
export interface Sessions {
  /** Starts a session; returns the cookie's value. */
  start(identity: Identity): string;
  /** The session of a cookie's value, unless it has ended. Counts as use. */
  find(cookie: string): Session | undefined;
  /** Ends a session. */
  end(cookie: string): boolean;
  size(): number;
  close(): void;
}

const MAX_SESSIONS = 10_000;
// A minute of idle time more or less hurts nobody; a disk write per request would.
const SEEN_RESOLUTION_MS = 60_000;

/** Opens the sessions that an earlier process left in `stateDir`. Only hashes of cookie values are kept. */
export function createSessions(idleMs: number, stateDir: string | undefined, now: () => number): Sessions {
  const sessions = new Map<string, Session>();
  const file = openStateFile(stateDir, 'sessions.json', () => [...sessions]);
  for (const entry of savedSessions(file.initial)) sessions.set(...entry);
  const resolutionMs = Math.min(SEEN_RESOLUTION_MS, idleMs / 100);
  const ended = (session: Session): boolean => now() - session.lastSeenAt > idleMs;

  const sweep = (): void => {
    for (const [hash, session] of sessions) if (ended(session)) sessions.delete(hash);
    while (sessions.size >= MAX_SESSIONS) {
      const oldest = [...sessions].reduce((a, b) => (a[1].lastSeenAt <= b[1].lastSeenAt ? a : b));
      sessions.delete(oldest[0]);
    }
  };

  return {
    start: (identity) => {
      sweep();
      const cookie = randomToken();
      sessions.set(hashOf(cookie), { identity, createdAt: now(), lastSeenAt: now(), cookieSentAt: now() });
      file.changed();
      return cookie;
    },
    find: (cookie) => {
      const hash = hashOf(cookie);
      const session = sessions.get(hash);
      if (session === undefined) return undefined;
      if (ended(session)) {
        sessions.delete(hash);
        file.changed();
        return undefined;
      }
      if (now() - session.lastSeenAt > resolutionMs) {
        session.lastSeenAt = now();
        file.changed();
      }
      return session;
    },
    end: (cookie) => {
      const found = sessions.delete(hashOf(cookie));
      if (found) {
        file.changed();
        file.flush();
      }
      return found;
    },
    size: () => sessions.size,
    close: () => file.close(),
  };
}

function hashOf(cookie: string): string {
  return digest(cookie).toString('base64url');
}

function savedSessions(saved: unknown): [string, Session][] {
  if (!Array.isArray(saved)) return [];
  return saved.filter((entry): entry is [string, Session] => {
    if (!Array.isArray(entry) || typeof entry[0] !== 'string') return false;
    const session = entry[1] as Partial<Session> | null;
    return (
      typeof session?.createdAt === 'number' &&
      typeof session.lastSeenAt === 'number' &&
      typeof session.cookieSentAt === 'number' &&
      typeof session.identity?.fingerprint === 'string' &&
      typeof session.identity.by === 'string' &&
      typeof session.identity.label === 'string'
    );
  });
}
