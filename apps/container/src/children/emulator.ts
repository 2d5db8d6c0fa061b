import { createEmulator, type EmulatorError } from '@datasette-stripe/stripe-emulator';
import type { Logger } from 'pino';
import type { LogLevel } from '../config.ts';
import { messageOf } from '../errors.ts';
import { createLogger } from '../logging.ts';
import { demoStateExitCode, type EmulatorStart, type FromEmulator } from './messages.ts';
import { connectParent } from './parent.ts';

/** A company small enough for a container of 512 MB, and large enough for dashboards to show something. */
const customers = 120;
/** One event in 4 s on average. */
const liveEventsPerSecond = 0.25;

/** The demo's Stripe: listens on loopback, keeps its history in the data folder. */
const parent = connectParent<EmulatorStart, FromEmulator>();
parent.onMessage((start) => {
  const logger = createLogger(start.logLevel as LogLevel, 'text', (line) => process.stdout.write(line));
  void run(start, logger).catch((error: unknown) => {
    const code = isEmulatorError(error) ? error.code : 'UNEXPECTED';
    logger.error({ code }, messageOf(error));
    parent.send({ fatal: { code, message: messageOf(error) } });
    process.exitCode = code === 'EMULATOR_STATE' ? demoStateExitCode : 1;
    parent.close();
  });
});
parent.send({ hello: true });

async function run(start: EmulatorStart, logger: Logger): Promise<void> {
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
  const { url } = await emulator.listen();
  parent.send({ url });
}

function isEmulatorError(error: unknown): error is EmulatorError {
  return error instanceof Error && error.name === 'EmulatorError' && 'code' in error;
}
