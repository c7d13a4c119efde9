import { TEST_LAB, takeDown } from "./test-lab.ts";

export default async function tearDown(): Promise<void> {
  if (process.env.AI_BACKEND_NO_LAB || process.env.AI_BACKEND_KEEP_TEST_LAB) return;
  await takeDown(TEST_LAB);
}
