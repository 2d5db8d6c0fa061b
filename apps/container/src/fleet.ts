import type { ServiceOptions, Supervisor } from '@datasette-stripe/supervisor';
import type { EmulatorStart, EngineStart, FromEmulator } from './children/messages.ts';
import { datasetteService } from './datasette.ts';
import type { Ground } from './ground.ts';
import { childService, emulatorService, engineService, originalTdogService } from './services.ts';

/** The children of this system, by name: `engine` and `datasette` (`datasette-2` …) always, `emulator` in the demo, `search-index` with the original tdog. */
export function servicesOf(ground: Ground): Record<string, ServiceOptions> {
  const { config, demo, file, sockets, runDir, stripe } = ground;
  const env = config.childEnv;
  const datasettes = Object.fromEntries(
    Object.entries(sockets).map(([name, socket], i) => [
      name,
      datasetteService({ file, socket, ahead: i === 0, demo: demo !== undefined, env }),
    ]),
  );
  if (config.tdogBin !== undefined) {
    const configFile = runDir.path('tdog.json');
    return {
      engine: originalTdogService({ config, bin: config.tdogBin, stripe, file, configFile, now: Date.now }),
      'search-index': childService('search-index', env, [file]),
      ...datasettes,
    };
  }
  return {
    ...(demo === undefined ? {} : { emulator: emulatorService(env, ground.demoPort) }),
    engine: engineService(env, demo !== undefined),
    ...datasettes,
  };
}

/** What the engine is told when it starts. */
export function engineStart({ config, stripe, file }: Ground, restOnRefusal: boolean): EngineStart {
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
    restOnRefusal,
    logLevel: config.logLevel,
  };
}

/**
 * Tells the demo's Stripe what it is to be, each time it starts.
 *
 * @returns Says why it ended, in its own words.
 */
export function linkEmulator(
  { config, demo, demoPort, logger }: Ground,
  supervisor: Pick<Supervisor, 'send' | 'onMessage'>,
): () => string | undefined {
  let lastError: string | undefined;
  if (demo === undefined) return () => undefined;
  const start: EmulatorStart = { ...demo, port: demoPort, logLevel: config.logLevel };
  supervisor.onMessage('emulator', (raw) => {
    const message = raw as FromEmulator;
    if ('hello' in message) supervisor.send('emulator', start);
    else if ('fatal' in message) {
      lastError = message.fatal.message;
      logger.warn(`the demo's Stripe ended: ${lastError}`);
    }
  });
  return () => lastError;
}
