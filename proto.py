import sys, time, copy, torch, numpy as np, warnings
warnings.filterwarnings("ignore")
import peft
from transformers import LlamaConfig, LlamaForCausalLM
from agents.adapters.config import AdapterConfig
from agents.adapters.layers import adapt
from agents.adapters.bank import AdapterBank
from agents.adapters.optimizer import AdamW
n=int(sys.argv[1]); H=int(sys.argv[2]); L=int(sys.argv[3]); T=int(sys.argv[4]); thr=int(sys.argv[5]) if len(sys.argv)>5 else 1
torch.set_num_threads(thr); torch.manual_seed(0)
m=LlamaForCausalLM(LlamaConfig(hidden_size=H,intermediate_size=3*H,num_hidden_layers=L,num_attention_heads=4,num_key_value_heads=4,vocab_size=800)).eval().requires_grad_(False)
m2=copy.deepcopy(m)
ad=adapt(m,["all-linear"]); bank=AdapterBank(ad,AdapterConfig(rank=8,alpha=16),AdamW(0.01,1.0))
bank.create(range(n),0,0,1e-3)
ids=torch.randint(0,800,(n,T))
def nll(logits,ids): return torch.nn.functional.cross_entropy(logits[:,:-1].reshape(-1,logits.shape[-1]),ids[:,1:].reshape(-1))
pm=peft.get_peft_model(m2,peft.LoraConfig(r=8,lora_alpha=16,target_modules="all-linear")).eval()
for name,p in pm.named_parameters():
    if "lora_" in name:
        key=name.replace("base_model.model.","").replace(".default","")
        p.data.copy_(torch.from_numpy(bank.weights(0)[key].copy()))
ps=[p for p in pm.parameters() if p.requires_grad]
opt=torch.optim.AdamW(ps,lr=1e-3,weight_decay=.01,fused=True)
def mine():
    def loss(): return nll(m(input_ids=ids,use_cache=False).logits,ids)*n
    bank.train(np.arange(n),loss)
def theirs(k):
    for i in range(k):
        opt.zero_grad(); nll(pm(input_ids=ids[i:i+1],use_cache=False).logits,ids[i:i+1]).backward(); torch.nn.utils.clip_grad_norm_(ps,1.0); opt.step()
mine(); theirs(4)
a=[];b=[]
for _ in range(5):
    t=time.perf_counter(); mine(); a.append(time.perf_counter()-t)
    t=time.perf_counter(); theirs(16); b.append((time.perf_counter()-t)*n/16)
print(n,H,L,T,thr,"params",sum(p.numel() for p in m.parameters()),"bank",np.median(a),"peft",np.median(b),"ratio",np.median(b)/np.median(a))
if "prof" in sys.argv:
    from torch.profiler import profile
    with profile() as p: mine()
    print(p.key_averages().table(sort_by="self_cpu_time_total",row_limit=18,max_name_column_width=40))
