import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSnapshotHandler } from '@datasette-stripe/snapshot';
import { createSupervisor, type ServiceOptions, type SupervisorResult } from '@datasette-stripe/supervisor';
import type { Logger } from 'pino';
import type { EmulatorStart, EngineStart, FromEmulator } from './children/messages.ts';
import { stripeApiBase, type Config, type StripeAccess } from './config.ts';
import { openDataDir, type DataDir } from './data-dir.ts';
import { checkDatasette, datasetteService } from './datasette.ts';
import { demoAccount, knownDemoAccount, type DemoAccount } from './demo.ts';
import { openDoor, type Door } from './door.ts';
import { linkEngine, type EngineLink } from './engine-link.ts';
import { ContainerError, type ContainerErrorCode } from './errors.ts';
import { createSiteHealth, followServices } from './health.ts';
import { secretPattern } from './logging.ts';
import { settleMirrorFile, type Wanted } from './mirror-file.ts';
import { openMirror, type Mirror } from './mirror.ts';
import { logTailHandler } from './routes/log-tail.ts';
import { progressHandlers, report } from './routes/progress.ts';
import { webhookHandler } from './routes/webhook.ts';
import { openRunDir, type RunDir } from './run-dir.ts';
import { freePort, listen } from './server.ts';
import { childService, emulatorService, engineService, originalTdogService } from './services.ts';
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

/** What every part of the system is made from. */
interface Ground extends AppOptions {
  readonly dataDir: DataDir;
  readonly runDir: RunDir;
  readonly stripe: StripeAccess;
  readonly demo: DemoAccount | undefined;
  readonly demoPort: number;
  /** The mirror's file. */
  readonly file: string;
  readonly mirror: Mirror;
  readonly socket: string;
}

/** How long the demo's first download is waited for before the site is announced, ms. */
const demoPatienceMs = 60_000;

/**
 * Runs the whole system until it is stopped.
 *
 * @throws {@link ContainerError} when it ends in any other way
 */
export async function runApp(options: AppOptions): Promise<void> {
  const { config } = options;
  checkDatasette();
  const dataDir = openDataDir(config.dataDir);
  const runDir = openRunDir();
  try {
    const ground = await prepare(options, dataDir, runDir);
    try {
      await serve(ground);
    } finally {
      ground.mirror.close();
    }
  } finally {
    runDir.close();
    dataDir.close();
  }
}

async function prepare(options: AppOptions, dataDir: DataDir, runDir: RunDir): Promise<Ground> {
  const { config, logger } = options;
  const demo = config.stripe === undefined ? demoAccount(dataDir.root) : undefined;
  const demoPort = demo === undefined ? 0 : await freePort();
  const wanted: Wanted =
    demo === undefined
      ? {
          for: 'account',
          demoAccountId: knownDemoAccount(dataDir.root)?.accountId,
          isStripe: config.stripe?.apiBase === stripeApiBase,
        }
      : { for: 'demo', accountId: demo.accountId };
  const moved = settleMirrorFile(join(dataDir.root, 'stripe.sqlite'), wanted, new Date());
  if (moved !== undefined) logger.info({ file: moved }, "the demo's database was moved aside");
  if (config.tdogLicense !== undefined && config.tdogBin === undefined) {
    logger.info('TDOG_LICENSE is not needed: the engine is our own, as TDOG_BIN is not set');
  }
  const file = join(dataDir.root, config.tdogBin === undefined ? 'stripe.sqlite' : 'stripe.tdog07.sqlite');
  return {
    ...options,
    dataDir,
    runDir,
    demo,
    demoPort,
    stripe: config.stripe ?? demoAccess(demo, demoPort),
    file,
    mirror: openMirror(file),
    socket: runDir.path('datasette.sock'),
  };
}

function demoAccess(demo: DemoAccount | undefined, port: number): StripeAccess {
  return {
    secretKey: demo?.key ?? '',
    apiBase: `http://127.0.0.1:${port}`,
    context: undefined,
    livemode: false,
  };
}

async function serve(ground: Ground): Promise<void> {
  const { config, logger, signal, hurry, stripe, file, mirror, socket, dataDir, demo } = ground;
  const supervisor = createSupervisor({
    services: services(ground),
    logDir: dataDir.logDir,
    logger: logger.child({ part: 'supervisor' }),
    redact: [stripe.secretKey, secretPattern],
    signal,
  });
  hurry.addEventListener('abort', () => void supervisor.stop({ now: true }), { once: true });

  const engine: EngineLink = linkEngine({
    channel: supervisor,
    start: () => engineStart(ground, door),
    onVerdict: (verdict, at) => door.key.feed(verdict, at),
    now: Date.now,
  });
  const progress = { mirror, running: () => engine.progress() };
  const door = openDoor({
    config,
    stripe,
    demo: demo !== undefined,
    upstreamSocket: socket,
    stateDir: dataDir.stateDir,
    mirror,
    unsettled: () => engine.indexing() || !report(progress).done,
    logger: logger.child({ part: 'proxy' }),
  });
  door.key.onChange(({ state }) => {
    if (state !== 'unknown') engine.tellKey(state);
  });
  if (demo !== undefined) {
    supervisor.onMessage('emulator', (message) => {
      if ('hello' in (message as FromEmulator)) supervisor.send('emulator', emulatorStart(ground, demo));
    });
  }

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
    datasetteSocket: socket,
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
    now: Date.now,
  });

  try {
    const server = await listen(site, door.proxy.upgrade, config);
    try {
      if (demo === undefined) await checkKey(door, stripe, logger);
      health.start();
      void followServices(health, supervisor).catch((error: unknown) =>
        logger.error({ err: error }, 'health'),
      );
      void supervisor
        .start()
        .then(() =>
          demo === undefined ? undefined : settled(() => report(progress).done && !engine.indexing(), signal),
        )
        .then(() => signal.aborted || ground.announce({ url: server.url, demoKey: demo?.key }))
        // What went wrong stands in `done`, too.
        .catch(() => undefined);
      const result = await supervisor.done;
      if (result.reason !== 'stopped') throw endOf(result, engine, file);
    } finally {
      await Promise.all([supervisor.stop(), server.close()]);
    }
  } finally {
    await Promise.all([door.proxy.close(), health.close(), snapshot.close()]);
  }
}

function services(ground: Ground): Record<string, ServiceOptions> {
  const { config, demo, file, socket, runDir, stripe } = ground;
  const env = config.childEnv;
  const datasette = datasetteService({ file, socket, demo: demo !== undefined, env });
  if (config.tdogBin !== undefined) {
    const configFile = runDir.path('tdog.json');
    return {
      engine: originalTdogService({ config, bin: config.tdogBin, stripe, file, configFile, now: Date.now }),
      'search-index': childService('search-index', env, [file]),
      datasette,
    };
  }
  return {
    ...(demo === undefined ? {} : { emulator: emulatorService(env, ground.demoPort) }),
    engine: engineService(env, demo !== undefined),
    datasette,
  };
}

function engineStart({ config, stripe, file }: Ground, door: Door): EngineStart {
  return {
    sync: {
      stripe: {
        secretKey: stripe.secretKey,
        apiBase: stripe.apiBase,
        ...(stripe.context === undefined ? {} : { stripeContext: stripe.context }),
      },
      file,
      tables: config.tables,
      ...(config.pollFreqMs === undefined ? {} : { pollIntervalMs: config.pollFreqMs }),
      ...(config.maxRequestsPerSecond === undefined
        ? {}
        : { maxRequestsPerSecond: config.maxRequestsPerSecond }),
    },
    restOnRefusal: door.key.verdict().state === 'live',
    logLevel: config.logLevel,
  };
}

function emulatorStart({ config, demoPort }: Ground, demo: DemoAccount): EmulatorStart {
  return { ...demo, port: demoPort, logLevel: config.logLevel };
}

/** At the start a refused key ends the container; Stripe out of reach does not. */
async function checkKey({ key }: Door, stripe: StripeAccess, logger: Logger): Promise<void> {
  const { state, unreachable } = await key.check();
  if (unreachable !== undefined) {
    logger.warn(
      `Stripe cannot be reached (${unreachable}); it is tried again, until then its last word on the key counts`,
    );
  } else if (state === 'refused') throw keyRefused(stripe.secretKey);
}

function keyRefused(secretKey: string): ContainerError {
  return new ContainerError(
    'KEY_REFUSED',
    `STRIPE_SECRET_KEY: Stripe refuses this key (…${secretKey.slice(-4)}); make a new one in Stripe's dashboard and set it`,
  );
}

const errorCodeOf: Readonly<Record<number, ContainerErrorCode>> = {
  2: 'CONFIGURATION',
  3: 'KEY_REFUSED',
  4: 'OTHER_ACCOUNT',
};

/** Why a service that cannot go on takes everything with it. */
function endOf(result: SupervisorResult, engine: EngineLink, file: string): ContainerError {
  const { service = 'a service', exitCode } = result;
  const said = service === 'engine' ? engine.lastError()?.message : undefined;
  const code = service === 'engine' ? (errorCodeOf[exitCode] ?? 'FAILED') : 'FAILED';
  if (code === 'KEY_REFUSED') {
    return new ContainerError(
      code,
      `STRIPE_SECRET_KEY: ${said ?? 'Stripe refuses this key'}; set another key`,
    );
  }
  if (code === 'OTHER_ACCOUNT') {
    return new ContainerError(
      code,
      `DATA_DIR: ${said ?? `${file} mirrors another account`}; set another folder, or that account's key`,
    );
  }
  const reason = said ?? `it ended with exit code ${exitCode} again and again; see logs/${service}.log`;
  return new ContainerError(code, `${service}: ${reason}`);
}

async function settled(condition: () => boolean, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + demoPatienceMs;
  while (!condition() && !signal.aborted && Date.now() < deadline) {
    await delay(100, undefined, { signal }).catch(() => undefined);
  }
}
