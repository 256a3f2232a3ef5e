import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { ask, generate, newProject, openStudio } from "../support/studio.ts";
import { expect, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();
const images = path.resolve(import.meta.dirname, "../../docs/images");
const steps = path.resolve(import.meta.dirname, "../test-results/forming");

test.use({ colorScheme: "dark", viewport: { width: 1280, height: 800 } });

test("the studio, and a picture forming", async ({ page, request }) => {
  const project = await newProject(request, server.url, "A day out");
  const prompts = ["a yellow sun on a blue background", "a red car on a yellow background", "a green tree on a white background", "a cat on a pink background", "a house on a green background"];
  for (const [seed, prompt] of prompts.entries()) {
    const { task_id } = await ask(request, server.url, project, { prompt, seed });
    const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task_id}`)).json()).status;
    await expect.poll(status, { timeout: 60_000 }).toBe("completed");
  }
  const frames = await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json();
  await request.patch(`${server.url}/api/v1/frames/${frames[1].id}`, { data: { duration: 2 } });

  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("combobox", { name: "Refresh what forms" }).selectOption("live");
  await page.keyboard.press("Escape");
  await page.getByRole("spinbutton", { name: "Seed" }).fill("3");
  await generate(page, "a red apple on a blue background", 200);

  rmSync(steps, { recursive: true, force: true });
  mkdirSync(steps, { recursive: true });
  let [shots, told] = [0, ""];
  const forming = page.getByText(/^Step \d+\/200$/);
  while (await forming.isVisible()) {
    const now = (await forming.textContent({ timeout: 200 }).catch(() => null)) ?? told;
    if (now === told) continue;
    told = now;
    await page.screenshot({ path: path.join(steps, `${String(shots++).padStart(3, "0")}.png`) });
    if (shots === 10) await page.screenshot({ path: path.join(images, "studio.png") });
  }
  await expect(page.locator("#picture")).toHaveAttribute("src", /\?v=/);
  await page.screenshot({ path: path.join(steps, `${String(shots).padStart(3, "0")}.png`) });
  expect(shots, "pictures of the picture forming").toBeGreaterThan(8);
});
