import { createServer, type IncomingMessage } from 'node:http';
import { listen } from './kit.ts';

/** A Stripe on a socket whose answers a test decides. */
export interface FakeStripe {
  readonly url: string;
  /** Paths asked for, with the key. */
  readonly asked: { key: string; path: string }[];
  /** Decides the answer; a number is a status with an error body. */
  answer: (key: string, path: string) => number | object | 'hang' | 'reset';
  stop(): Promise<void>;
}

export async function fakeStripe(
  answer: FakeStripe['answer'] = () => ({ id: 'acct_1' }),
): Promise<FakeStripe> {
  const server = createServer((req, res) => {
    const key = keyOf(req);
    const path = req.url ?? '';
    stripe.asked.push({ key, path });
    const result = stripe.answer(key, path);
    if (result === 'hang') return;
    if (result === 'reset') return void req.socket.resetAndDestroy();
    res.setHeader('content-type', 'application/json');
    if (typeof result === 'object') return void res.end(JSON.stringify(result));
    res.statusCode = result;
    res.end(JSON.stringify({ error: { type: 'x', message: MESSAGES[result] ?? `status ${result}` } }));
  });
  const stripe: FakeStripe & { url: string } = {
    url: await listen(server),
    asked: [],
    answer,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stripe;
}

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'Expired API Key provided: sk_test_*******0001',
  403: 'The provided key does not have the required permissions. Having the rak_customer_read permission would allow this request to continue.',
  404: 'No such customer',
  429: 'Too many requests',
};

function keyOf(req: IncomingMessage): string {
  return (req.headers.authorization ?? '').replace(/^Bearer /, '');
}
