import { createEmulator } from '@datasette-stripe/stripe-emulator';
import type { LogLevel } from '../config.ts';
import { createLogger } from '../logging.ts';
import type { EmulatorStart, FromEmulator } from './messages.ts';
import { connectParent } from './parent.ts';

/** A company small enough for a container of 512 MB, and large enough for dashboards to show something. */
const customers = 120;
/** One event in 4 s on average. */
const liveEventsPerSecond = 0.25;

/** The demo's Stripe: listens on loopback, keeps its history in the data folder. */
const parent = connectParent<EmulatorStart, FromEmulator>();
parent.onMessage((start) => {
  const logger = createLogger(start.logLevel as LogLevel, 'text', (line) => process.stdout.write(line));
  const emulator = createEmulator({
    source: { synthetic: customers, liveEventsPerSecond },
    key: start.key,
    accountId: start.accountId,
    stateFile: start.stateFile,
    port: start.port,
    logger,
    signal: parent.signal,
  });
  parent.signal.addEventListener('abort', () => void emulator.close().then(() => parent.close()));
  emulator.listen().then(
    ({ url }) => parent.send({ url }),
    (error: unknown) => {
      logger.error({ err: error }, 'the demo cannot start');
      process.exitCode = 1;
      parent.close();
    },
  );
});
parent.send({ hello: true });
