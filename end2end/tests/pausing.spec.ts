import { expect, expectAccessible, hydrated, test } from "../support/test.ts";
import { Server } from "../support/server.ts";
import { generate, newProject, openStudio } from "../support/studio.ts";

test("a picture is paused, outlives the server, is changed, and goes on where it was", async ({ page, request, consoleMessages }) => {
  const server = new Server();
  try {
    await server.start();
    // 400 steps take several seconds in this size.
    const project = await newProject(request, server.url, "Overnight", 192);
    await openStudio(page, server.url, project);
    const status = page.locator(".viewer-status");
    await generate(page, "a red circle", 400);
    await expect(status.locator(".viewer-step")).toHaveText(/^Step [1-9]\d*\/400$/);
    await status.getByRole("button", { name: "Pause it" }).click();
    await expect(status.locator(".viewer-step")).toHaveText(/^Paused at step [1-9]\d* of 400$/);
    const words = await status.locator(".viewer-step").innerText();
    await expect(page.locator("#picture")).toHaveAttribute("alt", "Frame 1, paused");
    await expectAccessible(page);
    await page.getByRole("button", { name: "Queue, 1" }).click();
    const row = page.locator("#queue [data-task]");
    await expect(row).toContainText(words);
    await expect(row.getByRole("button", { name: "Move to front" })).toHaveCount(0);
    await page.keyboard.press("Escape");

    // Another picture is made meanwhile.
    await generate(page, "a blue square", 1);
    await expect.poll(async () => (await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json()).map((frame: { status: string }) => frame.status)).toEqual(["paused", "ready"]);

    expect(await server.stop(), "exit status").toBe(0);
    await server.start();
    await openStudio(page, server.url, project);
    await page.locator(".clip-button").first().click();
    await expect(status.locator(".viewer-step")).toHaveText(words);
    const task = async () => (await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json()).at(-1);
    expect(await task()).toMatchObject({ status: "paused", total_steps: 400 });
    const before = (await task()).step;
    await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a green triangle");
    await page.getByRole("button", { name: "Apply from the next step" }).click();
    await expect.poll(async () => (await task()).parameters.track).toEqual([{ step: before, prompt: "a green triangle" }]);
    await status.getByRole("button", { name: "Resume" }).click();
    await expect(status.locator(".viewer-step")).toHaveText(/^Step \d+\/400$/);
    await expect(status.getByRole("button", { name: "Pause it" })).toBeVisible();
    const step = Number(/Step (\d+)/.exec(await status.locator(".viewer-step").innerText())?.[1]);
    expect(step).toBeGreaterThanOrEqual(before);
    await status.getByRole("button", { name: "Finish now" }).click();
    await expect.poll(async () => (await task()).status, { timeout: 30_000 }).toBe("completed");
    expect((await task()).step).toBeGreaterThan(before);
    await expect(status).toHaveCount(0);
    const ours = consoleMessages.filter((message) => !message.includes("ERR_CONNECTION_REFUSED"));
    expect(ours).toEqual([]);
    consoleMessages.length = 0;
    await hydrated(page);
    // A page that is open tries to reach the stopped server again, which is an error in its console.
    await page.goto("about:blank");
  } finally {
    await server.stop();
    server.clean();
  }
});

test("an overnight picture makes room for another one, and goes on", async ({ page, request }) => {
  const server = new Server();
  try {
    await server.start();
    const project = await newProject(request, server.url, "Overnight", 192);
    await openStudio(page, server.url, project);
    const overnight = page.getByRole("checkbox", { name: "Overnight" });
    await overnight.check();
    await page.reload();
    await hydrated(page);
    await expect(overnight).toBeChecked();
    await generate(page, "a red circle", 400);
    await expect(page.locator(".viewer-step")).toHaveText(/^Step [1-9]\d*\/400$/);
    await overnight.uncheck();
    await generate(page, "a blue square", 200);
    await page.getByRole("button", { name: "Queue, 2" }).click();
    await expect(page.locator("#queue [data-task]").last()).toContainText(/^a red circle.*Overnight, at step [1-9]\d* of 400/s);
    await expectAccessible(page);
    const tasks = async () => (await (await request.get(`${server.url}/api/v1/tasks?project_id=${project}`)).json()) as { status: string; overnight: boolean; attempt: number; step: number }[];
    await expect.poll(async () => (await tasks()).map((task) => [task.overnight, task.status]), { timeout: 60_000 }).toEqual([[false, "completed"], [true, "running"]]);
    await page.keyboard.press("Escape");
    await page.locator(".clip-button").first().click();
    await page.locator(".viewer-status").getByRole("button", { name: "Finish now" }).click();
    await expect.poll(async () => (await tasks()).at(-1)?.status, { timeout: 30_000 }).toBe("completed");
    expect((await tasks()).at(-1)?.attempt).toBe(2);
    await page.goto("about:blank");
    // A page that is open tries to reach the stopped server again, which is an error in its console.
    await page.goto("about:blank");
  } finally {
    await server.stop();
    server.clean();
  }
});
