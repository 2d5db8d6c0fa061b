import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { Visit } from './visit.ts';

const MAX_TARGET = 2_000;

/** One line per request: who asked for what, and what came of it. No header and no credential is in it. */
export function logAccess(
  logger: Logger,
  req: IncomingMessage,
  status: number,
  visit: Visit,
  now: number,
): void {
  if (!logger.isLevelEnabled('info')) return;
  const { identity, target } = visit;
  logger.info(
    {
      requestId: visit.id,
      method: req.method,
      target: (target.path + target.search).slice(0, MAX_TARGET),
      status,
      outcome: visit.outcome,
      ms: now - visit.startedAt,
      client: visit.client.address,
      by: identity?.by,
      who: identity?.label,
    },
    'access',
  );
}
