import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSnapshotHandler } from '@datasette-stripe/snapshot';
import { createSupervisor } from '@datasette-stripe/supervisor';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { openDataDir, type DataDir } from './data-dir.ts';
import { checkDatasette } from './datasette.ts';
import { setDemoAside } from './demo.ts';
import { openDoor } from './door.ts';
import { checkKey, endOf } from './ends.ts';
import { linkEngine, type EngineLink } from './engine-link.ts';
import { engineStart, linkEmulator, servicesOf } from './fleet.ts';
import { prepareGround, type Ground } from './ground.ts';
import { ContainerError } from './errors.ts';
import { createSiteHealth, followServices } from './health.ts';
import { secretPattern } from './logging.ts';
import { logTailHandler } from './routes/log-tail.ts';
import { progressHandlers, report } from './routes/progress.ts';
import { webhookHandler } from './routes/webhook.ts';
import { openRunDir, type RunDir } from './run-dir.ts';
import { listen } from './server.ts';
import { createSite } from './site.ts';

/** What {@link runApp} needs. */
export interface AppOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Stops everything. */
  readonly signal: AbortSignal;
  /** Stops it without waiting for anything. */
  readonly hurry: AbortSignal;
  /** Called when the site can be used. */
  readonly announce: (site: { readonly url: string; readonly demoKey: string | undefined }) => void;
}

/** How long the demo's first download is waited for before the site is announced, ms. */
const demoPatienceMs = 60_000;

/**
 * Runs the whole system until it is stopped.
 *
 * @throws {@link ContainerError} when it ends in any other way
 */
export async function runApp(options: AppOptions): Promise<void> {
  const { config, logger } = options;
  checkDatasette();
  const dataDir = openDataDir(config.dataDir);
  const runDir = openRunDir();
  try {
    try {
      await runOnce(options, dataDir, runDir);
    } catch (error) {
      if (!(error instanceof ContainerError && error.code === 'DEMO_STATE')) throw error;
      // It is only a demo, as an older version may have left it: kept, and a new one begun.
      const moved = setDemoAside(dataDir.root, new Date());
      logger.warn({ folder: moved }, `${error.message}; it was moved aside and a new demo begins`);
      await runOnce(options, dataDir, runDir);
    }
  } finally {
    runDir.close();
    dataDir.close();
  }
}

async function runOnce(options: AppOptions, dataDir: DataDir, runDir: RunDir): Promise<void> {
  const ground = await prepareGround(options.config, dataDir, runDir, options.logger);
  try {
    await serve(ground, options);
  } finally {
    ground.mirror.close();
  }
}

async function serve(ground: Ground, { signal, hurry, announce }: AppOptions): Promise<void> {
  const { config, logger, stripe, file, mirror, sockets, dataDir, demo } = ground;
  const supervisor = createSupervisor({
    services: servicesOf(ground),
    logDir: dataDir.logDir,
    logger: logger.child({ part: 'supervisor' }),
    redact: [stripe.secretKey, secretPattern],
    signal,
  });
  hurry.addEventListener('abort', () => void supervisor.stop({ now: true }), { once: true });

  const engine: EngineLink = linkEngine({
    channel: supervisor,
    start: () => engineStart(ground, door.key.verdict().state === 'live'),
    onVerdict: (verdict, at) => door.key.feed(verdict, at),
    now: Date.now,
  });
  const progress = { mirror, running: () => engine.progress() };
  const isSettled = (): boolean => !engine.indexing() && report(progress).done;
  const quiet = !config.production && config.logLevel === 'info';
  const door = openDoor({
    config,
    stripe,
    demo: demo !== undefined,
    upstreamSockets: Object.values(sockets),
    stateDir: dataDir.stateDir,
    mirror,
    onAsk: () => engine.countRead(),
    unsettled: atMostEach(1000, () => !isSettled()),
    // In development the terminal is for what matters; LOG_LEVEL=debug shows each access, too.
    logger: logger.child({ part: 'proxy' }, quiet ? { level: 'warn' } : {}),
  });
  door.key.onChange(({ state }) => {
    if (state !== 'unknown') engine.tellKey(state);
  });
  const emulatorError = linkEmulator(ground, supervisor);

  const snapshot = createSnapshotHandler({
    file,
    name: () => mirror.account()?.id,
    dataVersion: () => mirror.dataVersion(),
    stateDir: dataDir.stateDir,
    logger: logger.child({ part: 'snapshot' }),
  });
  const health = createSiteHealth({
    file,
    dataDir: dataDir.root,
    datasetteSockets: Object.values(sockets),
    supervisor,
    key: door.key,
    proxy: door.proxy,
    snapshot,
    mirror,
    logger: logger.child({ part: 'health' }),
    signal,
  });
  const site = createSite({
    door,
    health,
    snapshot,
    engine,
    progress: progressHandlers(progress),
    logger: logger.child({ part: 'site' }),
    log: logTailHandler({ file: join(dataDir.logDir, 'engine.log'), pollMs: 300, signal }),
    webhook:
      config.webhookSecret === undefined
        ? undefined
        : webhookHandler({
            secret: config.webhookSecret,
            livemode: stripe.livemode,
            account: () => mirror.account(),
            deliver: (event) => engine.deliver(event),
            logger: logger.child({ part: 'webhook' }),
            now: Date.now,
          }),
  });

  try {
    const server = await listen(site, door.proxy.upgrade, config);
    try {
      if (demo === undefined) await checkKey(door.key, ground);
      void supervisor
        .start()
        .then(() => {
          // Not before: that nothing is there yet at a start is no news.
          health.start();
          void followServices(health, supervisor).catch((error: unknown) =>
            logger.error({ err: error }, 'health'),
          );
        })
        .then(() => (demo === undefined ? undefined : until(isSettled, demoPatienceMs, signal)))
        .then(() => signal.aborted || announce({ url: server.url, demoKey: demo?.key }))
        // What went wrong stands in `done`, too.
        .catch(() => undefined);
      const result = await supervisor.done;
      if (result.reason !== 'stopped') {
        const said = result.service === 'engine' ? engine.lastError()?.message : undefined;
        throw endOf(result, result.service === 'emulator' ? emulatorError() : said, ground);
      }
    } finally {
      await Promise.all([supervisor.stop(), server.close()]);
    }
  } finally {
    await Promise.all([door.proxy.close(), health.close(), snapshot.close()]);
  }
}

/** Asks so often at most, and gives the last answer in between. */
function atMostEach<T>(ms: number, ask: () => T): () => T {
  let answer: { readonly value: T; readonly at: number } | undefined;
  return () => {
    if (answer === undefined || Date.now() - answer.at >= ms) answer = { value: ask(), at: Date.now() };
    return answer.value;
  };
}

async function until(condition: () => boolean, withinMs: number, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition() && !signal.aborted && Date.now() < deadline) {
    await delay(100, undefined, { signal }).catch(() => undefined);
  }
}
