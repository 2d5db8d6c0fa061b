import type { Health } from '@datasette-stripe/health';
import type { SnapshotHandler } from '@datasette-stripe/snapshot';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import type { Door } from './door.ts';
import type { EngineLink } from './engine-link.ts';
import { messageOf } from './errors.ts';
import { reply, type Handler } from './routes/reply.ts';

/** What {@link createSite} puts behind its paths. */
export interface SiteOptions {
  readonly door: Door;
  readonly health: Health;
  readonly snapshot: SnapshotHandler;
  readonly engine: Pick<EngineLink, 'look'>;
  readonly progress: { readonly json: Handler; readonly page: Handler };
  readonly log: Handler;
  /** Undefined: no webhook is served. */
  readonly webhook: Handler | undefined;
  readonly logger: Logger;
}

/** Every path of the container: /tdog/… here (sign-in, sign-out and share links by the proxy), everything else is Datasette's. */
export function createSite({
  door,
  health,
  snapshot,
  engine,
  progress,
  log,
  webhook,
  logger,
}: SiteOptions): Express {
  const { proxy } = door;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');

  app.use((request, response, next) => {
    response.once('finish', () => {
      // Whoever was served wants fresh data. Probes and programs that only look after the system do not.
      if (response.statusCode < 400 && isLook(request)) engine.look();
    });
    next();
  });

  const guard = proxy.requireAuth;
  const pages = {
    '/tdog/live': health.live,
    '/tdog/ready': health.ready,
    '/tdog/health.json': health.report,
    '/tdog/metrics': health.metrics,
    '/tdog/progress': progress.page,
    '/tdog/progress.json': progress.json,
    '/tdog/stripe.sqlite': snapshot,
    '/tdog/cli_log.txt': log,
  };
  for (const [path, handler] of Object.entries(pages)) {
    app.get(path, guard, (request: Request, response: Response) => handler(request, response));
  }
  if (webhook !== undefined) app.post('/tdog/webhook', guard, webhook);
  else
    app.all('/tdog/webhook', (_request, response) =>
      reply(response, 404, 'text/plain; charset=utf-8', noWebhook),
    );
  app.use(proxy.handler);
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    logger.error({ err: error, path: request.path }, `unexpected: ${messageOf(error)}`);
    if (response.headersSent) next(error);
    else reply(response, 500, 'text/plain; charset=utf-8', 'Something went wrong; the log says what.\n');
  });
  return app;
}

const noWebhook = 'There is no webhook here; STRIPE_WEBHOOK_SECRET switches it on.\n';

const upkeep = new Set(['/tdog/live', '/tdog/ready', '/tdog/health.json', '/tdog/metrics', '/tdog/webhook']);

function isLook(request: Request): boolean {
  return !upkeep.has(request.path) && !request.path.startsWith('/-/static');
}
