import { join } from 'node:path';
import type { Logger } from 'pino';
import { stripeApiBase, type Config, type StripeAccess } from './config.ts';
import type { DataDir } from './data-dir.ts';
import { usualDatasetteProcesses } from './datasette.ts';
import { demoAccount, knownDemoAccount, type DemoAccount } from './demo.ts';
import { settleMirrorFile, type Wanted } from './mirror-file.ts';
import { openMirror, type Mirror } from './mirror.ts';
import type { RunDir } from './run-dir.ts';
import { freePort } from './server.ts';

/** What every part of the system is made from. */
export interface Ground {
  readonly config: Config;
  readonly logger: Logger;
  readonly dataDir: DataDir;
  readonly runDir: RunDir;
  readonly stripe: StripeAccess;
  readonly demo: DemoAccount | undefined;
  readonly demoPort: number;
  /** The mirror's file. */
  readonly file: string;
  readonly mirror: Mirror;
  /** Where Datasette listens: one for each process of it, under the name of its service. */
  readonly sockets: Readonly<Record<string, string>>;
}

/**
 * Decides whose mirror this is to be and in which file, and moves away what is in its place.
 *
 * @throws {@link ContainerError} CONFIGURATION, OTHER_ACCOUNT
 */
export async function prepareGround(
  config: Config,
  dataDir: DataDir,
  runDir: RunDir,
  logger: Logger,
): Promise<Ground> {
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
  const names = Array.from(
    { length: config.datasetteProcesses ?? usualDatasetteProcesses() },
    (_, i) => `datasette${i === 0 ? '' : `-${i + 1}`}`,
  );
  return {
    config,
    logger,
    dataDir,
    runDir,
    demo,
    demoPort,
    stripe: config.stripe ?? demoAccess(demo, demoPort),
    file,
    mirror: openMirror(file),
    sockets: Object.fromEntries(names.map((name) => [name, runDir.path(`${name}.sock`)])),
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
