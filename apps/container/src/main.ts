import { runApp } from './app.ts';
import { readConfig } from './config.ts';
import { ContainerError, exitCodes, messageOf } from './errors.ts';
import { createLogger } from './logging.ts';

/** A second signal after this is one that means it, ms. */
const doubledMs = 1_000;

/** The container's entry: environment and signals in, exit code out. */
// A reader of our output that is gone (`| head`) ends nothing.
for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);
process.exitCode = await main();
// Nothing keeps the process now but what a part forgot to release, and nobody is to wait for that.
process.exit();

async function main(): Promise<number> {
  const result = readConfig(process.env, process.cwd());
  if (!result.ok) {
    for (const fault of result.faults) complain(fault);
    return exitCodes.CONFIGURATION;
  }
  const { config } = result;
  const logger = config.production
    ? createLogger(config.logLevel, 'json', (line) => writeLine(1, line))
    : createLogger(config.logLevel, 'text', (line) => writeLine(2, line));
  const stop = new AbortController();
  const hurry = new AbortController();
  let stoppedAt = 0;
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      // Ctrl-C comes twice under npm: from the terminal, and handed on by npm.
      if (!stop.signal.aborted) stoppedAt = Date.now();
      else if (Date.now() - stoppedAt > doubledMs) hurry.abort();
      stop.abort();
    });
  }
  try {
    await runApp({ config, logger, signal: stop.signal, hurry: hurry.signal, announce });
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    if (error instanceof ContainerError) {
      complain(error.message);
      return exitCodes[error.code];
    }
    logger.fatal({ err: error }, messageOf(error));
    return exitCodes.FAILED;
  }
}

function announce({ url, demoKey }: { readonly url: string; readonly demoKey: string | undefined }): void {
  const lines =
    demoKey === undefined
      ? [`datasette-stripe: ${url}`, 'Sign in with the Stripe key that it runs with.']
      : [
          `datasette-stripe, a demo with a made-up Stripe account: ${url}`,
          `Sign in with this key: ${demoKey}`,
        ];
  writeLine(1, `\n${lines.map((line) => `  ${line}`).join('\n')}\n\n`);
}

/** One line for whoever runs it. */
function complain(message: string): void {
  writeLine(2, `datasette-stripe: ${message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
}

/** Files, terminals and (on Linux) pipes are written at once, so that nothing is lost at the exit. */
function writeLine(descriptor: 1 | 2, line: string): void {
  (descriptor === 1 ? process.stdout : process.stderr).write(line);
}
