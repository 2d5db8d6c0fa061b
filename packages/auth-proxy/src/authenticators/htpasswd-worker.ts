import { parentPort } from 'node:worker_threads';
import bcrypt from 'bcryptjs';

// bcrypt in JavaScript takes a tenth of a second: here it holds up nobody's request.
parentPort?.on('message', ({ password, hash }: { password: string; hash: string }) => {
  parentPort?.postMessage(bcrypt.compareSync(password, hash));
});
