import type { CampaignOptions, CampaignParts } from './campaign.ts'

export async function profile (_options: CampaignOptions, _parts: CampaignParts): Promise<string> { return '' }
