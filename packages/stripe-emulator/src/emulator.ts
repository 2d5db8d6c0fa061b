import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { EmulatorError } from './errors.ts';
import { resolveOptions, type EmulatorOptions } from './options.ts';
import type { Emulator } from './types.ts';
import { createWorld } from './world.ts';
import { createHttpServer } from './http/server.ts';

/** The key that is let in when none is given: made of the account's id, so that it survives a restart. */
const defaultKey = (accountId: string): string => `sk_test_emulator${accountId.replace('acct_', '')}`;

/**
 * Makes an emulator: a Stripe account that remembers. It starts with `listen()`.
 * @throws {@link EmulatorError} EMULATOR_OPTION, EMULATOR_TIMELINE, EMULATOR_STATE
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  const resolved = resolveOptions(options);
  const logger = resolved.logger ?? pino({ level: 'silent' });
  const keyOf = (accountId: string): string => resolved.key ?? defaultKey(accountId);
  const world = createWorld(resolved, keyOf, logger);
  const key = keyOf(world.account.id);
  const server = createHttpServer({ ...world.served, key: resolved.key }, (error) => {
    logger.error({ err: error }, 'emulator: request failed');
  });
  let started: Promise<{ url: string; key: string }> | undefined;
  let url = '';
  let closing: Promise<void> | undefined;

  const start = async (): Promise<{ url: string; key: string }> => {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'EADDRINUSE' ? 'it is in use' : cause.message;
        reject(
          new EmulatorError(
            'EMULATOR_ADDRESS',
            `cannot listen on ${resolved.host}:${resolved.port}: ${why}`,
            { cause },
          ),
        );
      });
      server.listen(resolved.port, resolved.host, resolve);
    });
    const { address, port } = server.address() as AddressInfo;
    const shown = address === '0.0.0.0' || address === '::' ? hostname() : address;
    url = `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`;
    world.start(url);
    logger.info({ url, account: world.account.id }, 'emulator: listening');
    return { url, key };
  };

  const close = async (): Promise<void> => {
    resolved.signal?.removeEventListener('abort', onAbort);
    if (server.listening) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }
    await world.stop();
  };
  const onAbort = (): void => {
    void emulator.close();
  };

  const emulator: Emulator = {
    listen() {
      if (closing !== undefined) {
        return Promise.reject(new EmulatorError('EMULATOR_CLOSED', 'the emulator has been closed'));
      }
      return (started ??= start());
    },
    get url() {
      return url;
    },
    key,
    accountId: world.account.id,
    advance: (step) => world.advance(step),
    setFaults: (faults) => world.setFaults(faults),
    dropConnections: () => server.closeAllConnections(),
    state: world.state,
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => emulator.close(),
  };
  resolved.signal?.addEventListener('abort', onAbort, { once: true });
  if (resolved.signal?.aborted) onAbort();
  return emulator;
}
