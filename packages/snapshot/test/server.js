// A handler in a process of its own: node server.js OPTIONS_AS_JSON
import { createServer } from 'node:http';
import { createSnapshotHandler } from '@datasette-stripe/snapshot';

const write = (level) => (object, message) =>
  process.stderr.write(`${level} ${message} ${String(object.err ?? '')}\n`);
const logger = { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') };
const handler = createSnapshotHandler({ ...JSON.parse(process.argv[2]), logger });
const server = createServer((req, res) => void handler(req, res));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
