// Servers that bench/src/auth-proxy.ts compares, each in a process of its own: node auth-proxy-servers.ts KIND ARGUMENT
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const [kind = '', argument = ''] = process.argv.slice(2);

/** The smallest upstream there is. */
function trivial(): Server {
  return createServer((_req, res) => {
    res.setHeader('content-type', 'text/plain');
    res.end('hello from the upstream');
  });
}

/** What one would write by hand: express, http-proxy-middleware, one string comparison. */
function bare(upstream: string): Server {
  const app = express();
  app.use((req, res, next) => {
    if (req.headers.authorization === `Bearer ${process.env['TOKEN']}`) next();
    else res.sendStatus(401);
  });
  app.use(createProxyMiddleware({ target: upstream }));
  return createServer(app);
}

/** A Stripe that accepts every key. */
function stripe(): Server {
  return createServer((_req, res) => {
    res.setHeader('content-type', 'application/json');
    res.end('{"id":"acct_1"}');
  });
}

const server = kind === 'bare' ? bare(argument) : kind === 'stripe' ? stripe() : trivial();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ address: `http://127.0.0.1:${port}` })}\n`);
});
