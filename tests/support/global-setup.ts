import { bringUp, TEST_LAB, takeDown } from "./test-lab.ts";

/** Without root there is no lab: a failure where CI is set, a skip on a laptop (see `needsLab`). */
export default async function setUp(): Promise<void> {
  if (process.getuid?.() !== 0) {
    if (process.env.CI)
      throw new Error("the integration tests need root: they make network namespaces and file systems");
    process.env.AI_BACKEND_NO_LAB = "the integration tests need root";
    return;
  }
  await takeDown(TEST_LAB); // what an interrupted run left behind
  await bringUp(TEST_LAB);
}
