import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { logAccess } from './access-log.ts';
import type { Tally } from './counters.ts';
import { securityHeaders } from './http/response-headers.ts';
import type { Inspector } from './inspect.ts';
import type { Refusal, Visit } from './visit.ts';

/** A request that has been looked at. */
export interface Arrival {
  readonly visit: Visit;
  /** Why it goes no further, seen without asking who it is. */
  readonly refusal: Refusal | undefined;
}

/** Looks at each request once, however many of our handlers it passes. */
export interface Arrivals {
  /** For requests with a response: sets the security headers, and logs and counts when it is over. */
  withResponse(req: IncomingMessage, res: ServerResponse): Arrival;
  /** For upgrades, and for who only wants to know. */
  look(req: IncomingMessage): Arrival;
  find(req: IncomingMessage): Visit | undefined;
  /** Logs and counts an exchange that has no response object. */
  over(req: IncomingMessage, visit: Visit, status: number): void;
}

/** Keeps what is known of the requests under way. */
export function createArrivals(parts: {
  readonly inspect: Inspector;
  readonly tally: Tally;
  readonly logger: Logger;
  readonly now: () => number;
}): Arrivals {
  const { inspect, tally, logger, now } = parts;
  // On the request itself: a WeakMap of this many entries is slow to collect.
  const ARRIVAL = Symbol('arrival');
  type Known = IncomingMessage & { [ARRIVAL]?: Arrival };

  const look = (req: Known): Arrival => (req[ARRIVAL] ??= inspect(req));
  const over = (req: IncomingMessage, visit: Visit, status: number): void => {
    tally.outcome(visit.outcome ?? 'own');
    logAccess(logger, req, status, visit, now());
  };
  return {
    look,
    over,
    find: (req: Known) => req[ARRIVAL]?.visit,
    withResponse: (req, res) => {
      const arrival = look(req);
      const { visit } = arrival;
      if (visit.followed) return arrival;
      visit.followed = true;
      const headers = securityHeaders(visit.client.secure);
      for (const name in headers) res.setHeader(name, headers[name] ?? '');
      res.setHeader('X-Request-Id', visit.id);
      res.once('close', () => over(req, visit, res.statusCode));
      return arrival;
    },
  };
}
