// The thread of checkpoint.ts: one pass for each message.
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const db = new DatabaseSync(String(workerData), { enableForeignKeyConstraints: false });
db.exec('PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1000');
const checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
parentPort?.on('message', () => {
  parentPort?.postMessage(Number(checkpoint.get()?.['log'] ?? 0));
});
