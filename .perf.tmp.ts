import * as fs from 'node:fs'; import * as os from 'node:os'; import * as path from 'node:path'
import { Store } from '/work/main/src/artifact/store.js'
import { randomBytes } from 'node:crypto'
import { ioError } from '/work/main/src/store/io.js'
const N=4000
const median=(x:number[])=>x.sort((a,b)=>a-b)[x.length>>1]!
const data=Array.from({length:N},()=>randomBytes(4096))
const r:Record<string,number[]>={}
const add=(k:string,ms:number)=>(r[k]??=[]).push(ms/N*1000)
for(let round=0;round<5;round++){
  const dir=fs.mkdtempSync(path.join(os.tmpdir(),'perf-'))
  const bare=path.join(dir,'bare'); fs.mkdirSync(bare); for(let i=0;i<256;i++)fs.mkdirSync(path.join(bare,i.toString(16).padStart(2,'0')))
  const names=data.map((d,i)=>[path.join(bare,(i%256).toString(16).padStart(2,'0'),'t'+i),path.join(bare,(i%256).toString(16).padStart(2,'0'),randomBytes(32).toString('hex'))])
  let t=performance.now()
  for(let i=0;i<N;i++){const fd=fs.openSync(names[i]![0]!,'wx',0o644);fs.writeSync(fd,data[i]!);fs.closeSync(fd);fs.renameSync(names[i]![0]!,names[i]![1]!)}
  add('bare put',performance.now()-t)
  t=performance.now(); for(let i=0;i<N;i++)fs.readFileSync(names[i]![1]!); add('bare get',performance.now()-t)
  const store=await Store.open({folder:path.join(dir,'s'),durability:'cache'})
  t=performance.now(); const infos=[]; for(const d of data)infos.push(await store.blobs.put(d)); add('put',performance.now()-t)
  t=performance.now(); for(const i of infos)await store.blobs.get(i.sha256); add('get',performance.now()-t)
  t=performance.now(); for(const i of infos)await store.blobs.read(i); add('read',performance.now()-t)
  t=performance.now(); for(const d of data)await store.blobs.put(d); add('put again(known 1st)',performance.now()-t)
  t=performance.now(); for(const d of data)await store.blobs.put(d); add('put again(2nd)',performance.now()-t)
  fs.rmSync(dir,{recursive:true})
}
for(const k in r)console.log(k,median(r[k]!).toFixed(1),'us', k==='put'?(median(r[k]!)/median(r['bare put']!)).toFixed(2):k==='get'?(median(r[k]!)/median(r['bare get']!)).toFixed(2):'')
