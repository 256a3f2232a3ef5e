import type { APIRequestContext, Page } from "@playwright/test";
import { ask, newProject, openStudio, order } from "../support/studio.ts";
import { expect, expectAccessible, hydrated, keepScreenshot, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile("--concurrency", "3");

/** A frame with this many finished takes. Returns its id and the takes, newest first. */
async function frameWithTakes(request: APIRequestContext, project: number, count: number): Promise<{ frame: number; takes: () => Promise<number[]> }> {
  const first = await ask(request, server.url, project, { prompt: "a red circle", steps: 2, seed: 1 });
  const status = async () => {
    const tasks = await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json();
    return tasks.filter((task: { status: string }) => task.status === "completed").length;
  };
  for (let more = 1; more < count; more++) {
    await ask(request, server.url, project, { prompt: "a red circle", steps: 2, seed: 1 + more, frame_id: first.frame_id });
  }
  await expect.poll(status, { timeout: 30_000 }).toBe(count);
  const takes = async () => {
    const takes = await (await request.get(`${server.url}/api/v1/frames/${first.frame_id}/takes`)).json();
    return takes.map((take: { id: number }) => take.id);
  };
  return { frame: first.frame_id, takes };
}

const takesShown = (page: Page) => page.locator(".takes-list .take");
const selected = (page: Page) => page.locator(".takes-list .take[aria-pressed=true]");
const bin = (page: Page) => page.locator("#bin");
const openBin = async (page: Page) => {
  await page.getByRole("button", { name: "Bin", exact: true }).click();
  await expect(bin(page).locator(".bin-content")).toBeVisible();
};

test("a deleted take is taken back at once, by key, and after a reload", async ({ page, request, context }) => {
  const project = await newProject(request, server.url);
  const { takes } = await frameWithTakes(request, project, 3);
  const [newest, middle, oldest] = (await takes()) as [number, number, number];
  await openStudio(page, server.url, project);
  const other = await context.newPage();
  await openStudio(other, server.url, project);
  await expect(takesShown(page)).toHaveCount(3);
  await expect(selected(page)).toHaveAttribute("data-id", String(newest));

  // The selected one: the message offers to undo, and it is the selected one again, also in another tab.
  await page.getByRole("button", { name: "Delete take" }).click();
  await expect(takesShown(page)).toHaveCount(2);
  await expect(takesShown(other)).toHaveCount(2);
  await expect(selected(page)).toHaveAttribute("data-id", String(middle));
  const message = page.locator(".message", { hasText: "Take deleted." });
  await expectAccessible(page);
  await message.getByRole("button", { name: "Undo" }).click();
  await expect(takesShown(page)).toHaveCount(3);
  await expect(selected(page)).toHaveAttribute("data-id", String(newest));
  await expect(takesShown(other)).toHaveCount(3);
  await expect(message).toHaveCount(0);

  // By key, and redone.
  await page.getByRole("button", { name: "Delete take" }).click();
  await expect.poll(takes).toEqual([middle, oldest]);
  await page.locator("body").press("Control+z");
  await expect.poll(takes).toEqual([newest, middle, oldest]);
  await page.locator("body").press("Control+Shift+z");
  await expect.poll(takes).toEqual([middle, oldest]);

  // After a reload, from the bin.
  await page.reload();
  await hydrated(page);
  await openBin(page);
  await expect(bin(page).locator(".bin-row")).toHaveCount(1);
  await expect(bin(page).locator(".bin-row")).toContainText("a red circle");
  await expect(bin(page).locator(".bin-row img")).toHaveJSProperty("complete", true);
  await keepScreenshot(page, "bin");
  await expectAccessible(page);
  await bin(page).getByRole("button", { name: "Restore" }).click();
  await expect(bin(page)).toContainText("The bin is empty.");
  await expect.poll(takes).toEqual([newest, middle, oldest]);
  await expect(takesShown(page)).toHaveCount(3);
  await expect(selected(page), "what is restored from the bin does not change the film").toHaveAttribute("data-id", String(middle));
});

test("another take is selected and the choice is undone", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  const { takes } = await frameWithTakes(request, project, 2);
  const [newest, oldest] = (await takes()) as [number, number];
  await openStudio(page, server.url, project);
  await page.locator(`.take[data-id="${oldest}"]`).click();
  await expect(selected(page)).toHaveAttribute("data-id", String(oldest));
  await page.locator("body").press("Control+z");
  await expect(selected(page)).toHaveAttribute("data-id", String(newest));
  await page.reload();
  await hydrated(page);
  await expect(selected(page)).toHaveAttribute("data-id", String(newest));
});

test("a cancelled picture is queued again from the bin after a reload", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  expect((await request.post(`${server.url}/api/v1/queue/pause`)).status()).toBe(200);
  const { task_id } = await ask(request, server.url, project, { prompt: "a lost lighthouse", steps: 2, seed: 9 });
  await openStudio(page, server.url, project);
  expect((await request.post(`${server.url}/api/v1/tasks/${task_id}/cancel`)).status()).toBe(200);
  await page.reload();
  await hydrated(page);
  await openBin(page);
  const row = bin(page).locator(".bin-row", { hasText: "a lost lighthouse" });
  await row.getByRole("button", { name: "Queue again" }).click();
  await expect(bin(page)).toContainText("The bin is empty.");
  expect((await request.post(`${server.url}/api/v1/queue/resume`)).status()).toBe(200);
  const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task_id}`)).json()).status;
  await expect.poll(status).toBe("completed");
});

test("deleted frames are in the bin of every tab until they are restored", async ({ page, request, context }) => {
  const project = await newProject(request, server.url);
  const { frame } = await frameWithTakes(request, project, 1);
  await ask(request, server.url, project, { prompt: "a blue square", steps: 2, seed: 5 });
  const frames = () => order(request, server.url, project);
  await expect.poll(async () => (await frames()).length).toBe(2);
  await openStudio(page, server.url, project);
  const other = await context.newPage();
  await openStudio(other, server.url, project);
  await openBin(other);
  await expect(bin(other)).toContainText("The bin is empty.");
  await page.getByRole("button", { name: "Frame 1", exact: true }).click();
  await page.keyboard.press("Delete");
  const message = page.locator(".message", { hasText: "Frame deleted." });
  await expect(message).toBeVisible();
  await expect(bin(other).locator(".bin-row")).toHaveCount(1);
  await bin(other).getByRole("button", { name: "Restore" }).click();
  await expect.poll(async () => (await frames())[0]).toBe(frame);
  await expect(bin(other)).toContainText("The bin is empty.");
  await expect(message, "an offer is not shown for ever").toHaveCount(0, { timeout: 15_000 });
});
