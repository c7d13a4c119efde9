/** Progress of long work: a line a step with its time, live on a terminal, plain elsewhere. */
import { Listr, type ListrTask, PRESET_TIMER } from "listr2";

export interface Step {
  title: string;
  /** Returns what to add to the title when it is done. */
  run(say: (message: string) => void): Promise<string | undefined>;
}

export async function runSteps(steps: Step[]): Promise<void> {
  const tasks: ListrTask[] = steps.map(({ title, run }) => ({
    title,
    task: async (_context, task) => {
      const done = await run((message) => {
        task.output = message;
      });
      if (done) task.title = `${title}: ${done}`;
    },
  }));
  const live = process.stdout.isTTY === true;
  const list = new Listr(tasks, {
    renderer: live ? "default" : "simple",
    rendererOptions: { timer: PRESET_TIMER, ...(live && { collapseErrors: false }) },
    registerSignalListeners: false,
  });
  await list.run();
}
