// Serves one file in the way named by the second argument; bench/src/snapshot.ts starts it. Plain JavaScript and the built
// package, so that the memory measured is that of a server and not of a compiler.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSnapshotHandler } from '@datasette-stripe/snapshot';

const [file = '', how = 'snapshot'] = process.argv.slice(2);

function listener() {
  if (how === 'snapshot') {
    const handler = createSnapshotHandler({ file, shareMs: 0, keepMs: 0 });
    return (req, res) => void handler(req, res);
  }
  return (_req, res) => {
    res.writeHead(200, { 'content-length': statSync(file).size });
    createReadStream(file, { highWaterMark: 1 << 20 }).pipe(res);
  };
}

const server = createServer(listener());
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: server.address().port });
});
process.on('disconnect', () => process.exit());
