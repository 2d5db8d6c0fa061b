import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { Admitter } from './admit.ts';
import type { Identity } from './authenticators/authenticator.ts';

/** Websockets that are open: they end with the credential that opened them. */
export interface OpenWebsockets {
  add(upstreamSocket: Duplex, clientSocket: Duplex, identity: Identity | undefined): void;
  size(): number;
  close(): void;
}

const RECHECK_MS = 30_000;

/** Asks every 30 s whether those who hold a websocket would still be let in. */
export function createOpenWebsockets(admitter: Admitter, logger: Logger): OpenWebsockets {
  const open = new Map<Duplex, { client: Duplex; identity: Identity | undefined }>();
  let timer: NodeJS.Timeout | undefined;

  const recheck = async (): Promise<void> => {
    for (const [socket, { client, identity }] of open) {
      if (identity === undefined || (await admitter.stillGood(identity))) continue;
      logger.info({ who: identity.label }, 'auth: websocket ended with its credential');
      socket.destroy();
      client.destroy();
    }
  };
  return {
    add: (socket, client, identity) => {
      open.set(socket, { client, identity });
      socket.once('close', () => {
        open.delete(socket);
        client.destroy();
        if (open.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      });
      client.once('close', () => socket.destroy());
      timer ??= setInterval(() => {
        recheck().catch(() => {
          // Asked again in 30 s.
        });
      }, RECHECK_MS).unref();
    },
    size: () => open.size,
    close: () => {
      clearInterval(timer);
      for (const [socket, { client }] of open) {
        socket.destroy();
        client.destroy();
      }
    },
  };
}
