// Owns the run of the people suite on Firestore, against an emulator in this process.
import { openFirestoreUsers } from "../../src/adapters/users/firestore.ts";
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { startFirestore } from "../support/firestore.ts";
import { usersContract } from "./people-suite.ts";

let count = 0;

usersContract(
  "firestore",
  async () => {
    const emulator = await startFirestore();
    const people = await openFirestoreUsers({
      project: `demo-${++count}`,
      accounts: false,
      emulator: emulator.address,
      issuer: "https://id.example",
      unknown: "create",
      clock: systemClock,
    });
    const close = async (): Promise<void> => {
      await people.close();
      emulator.stop();
    };
    return { users: people.users(openMemoryStore(memoryDisk(), { clock: systemClock }).users), close };
  },
  "Zoë\u0000",
);
