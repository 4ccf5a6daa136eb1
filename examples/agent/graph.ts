import { Annotation, END, START, StateGraph } from '@langchain/langgraph'
import type { Publish } from './publisher.ts'

const AgentState = Annotation.Root({
  /** What the agent is asked to look at. */
  text: Annotation<string>,
  words: Annotation<readonly string[]>,
  answer: Annotation<string>,
})

/**
 * An agent of three steps that counts words. A real one would call a model where this one only computes; what matters
 * here is that every node says what it does.
 */
export function createAgent(publish: Publish) {
  return new StateGraph(AgentState)
    .addNode('begin', async ({ text }) => {
      await publish('agent_started', { characters: text.length })
      return {}
    })
    .addNode('process', async ({ text }) => {
      const words = text.split(/\s+/).filter((word) => word !== '')
      await publish('agent_processing', { words: words.length })
      if (words.length === 0) throw new Error('There are no words to count.')
      return { words }
    })
    .addNode('complete', async ({ words }) => {
      const answer = `${words.length} words, ${new Set(words).size} of them different`
      await publish('agent_completed', { answer })
      return { answer }
    })
    .addEdge(START, 'begin')
    .addEdge('begin', 'process')
    .addEdge('process', 'complete')
    .addEdge('complete', END)
    .compile()
}
