using Kedge.Demo;

namespace Kedge.SystemTests.Mesh;

/// <summary>
/// The README's walk through a mesh, its lines as they stand there, each block pasted at once. There is no systemd here, so the lines that
/// install services become what the README names in their place.
/// </summary>
public sealed class ReadmeTests : IDisposable
{
    private const string Name = "controller.example.net", Address = "192.0.2.1", DeadAddress = "2001:db8:0:1::dead";

    private readonly Topology _net = Topology.Create();
    private readonly Switch _lan;

    public ReadmeTests() => _lan = _net.AddSwitch("lan");

    public void Dispose() => _net.Dispose();

    [Fact]
    public void The_lines_work_as_they_are_pasted_also_where_the_first_address_of_the_controllers_name_is_dead()
    {
        string[] blocks = Blocks("## Use it: a mesh");
        Machine controller = AddMachine("controller", $"{Address}/24", $"{Address} {Name}");
        controller.Paste(blocks[0]);
        controller.Paste("kedge token create --out beta.join");

        // IPv6 comes first, and what is sent there is lost.
        string hosts = $"{DeadAddress} {Name}\n{Address} {Name}";
        Machine beta = AddMachine("beta", "192.0.2.3/24", hosts), alpha = AddMachine("alpha", "192.0.2.2/24", hosts);
        foreach ((Machine node, string ipv6) in ((Machine, string)[])[(alpha, "2001:db8:0:1::2/64"), (beta, "2001:db8:0:1::3/64")])
        {
            node.Host.Ip("address", "add", ipv6, "dev", node.Interface, "nodad");
            node.Host.Ip("neighbor", "add", DeadAddress, "lladdr", "02:00:00:00:de:ad", "nud", "permanent", "dev", node.Interface);
            File.Copy(Path.Combine(controller.Folder, $"{node.Host.Label}.join"), Path.Combine(node.Folder, $"{node.Host.Label}.join"));
        }
        beta.Paste("kedge up --detach --join-file beta.join --name beta");

        CommandResult check = alpha.Try("kedge netcheck --join-file alpha.join");
        Assert.True(check.ExitCode == 0, check.Output + check.Error);
        Assert.Contains("answers, and it is the pinned one", check.Output, StringComparison.Ordinal);
        Assert.Contains("sees this machine at 192.0.2.2:", check.Output, StringComparison.Ordinal);
        Assert.Contains("kedge0 has not joined a zone yet", check.Output, StringComparison.Ordinal);

        alpha.Paste(blocks[1]);
    }

    [Fact]
    public void A_login_on_the_controllers_machine_says_that_no_controller_has_started_there()
    {
        Machine controller = AddMachine("controller", $"{Address}/24", $"{Address} {Name}");

        CommandResult login = controller.Try("kedge login --data-dir /var/lib/kedge-controller");

        Assert.Equal(1, login.ExitCode);
        Assert.Contains("No controller has started in /var/lib/kedge-controller yet", login.Error, StringComparison.Ordinal);
    }

    private static string[] Blocks(string section)
    {
        string text = File.ReadAllText(Repository.PathOf("README.md")).Split(section)[1].Split("\n## ")[0];
        return [.. text.Split("```sh\n").Skip(1).Select(block => block.Split("```")[0])];
    }

    private Machine AddMachine(string label, string address, string hosts)
    {
        Host host = _net.AddHost(label);
        Link link = _lan.Attach(host, [address]);
        string folder = Path.Combine(_net.TempFolder, label);
        foreach (string name in (string[])["lib", "run"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        File.WriteAllText(Path.Combine(folder, "hosts"), $"127.0.0.1 localhost\n{hosts}\n");
        return new Machine(host, link.InterfaceOfA, folder);
    }

    /// <summary>A machine with /var/lib, /run, /etc/hosts and a home folder of its own.</summary>
    private sealed record Machine(Host Host, string Interface, string Folder)
    {
        /// <summary>Runs lines, of which each has to succeed.</summary>
        public void Paste(string lines)
        {
            CommandResult result = Try(lines);
            Assert.True(result.ExitCode == 0, $"{lines}\n{result.Output}{result.Error}");
        }

        /// <summary>Runs lines until one fails.</summary>
        public CommandResult Try(string lines)
        {
            const string Start =
                """cd "$1" && mount --bind lib /var/lib && mount --bind run /run && mount --bind hosts /etc/hosts && exec bash -e -c "$2" """;
            return Host.TryRun(new Command(["unshare", "--mount", "sh", "-c", Start, "sh", Folder, WithoutSystemd(lines)])
            {
                Environment = new Dictionary<string, string>
                {
                    ["HOME"] = Folder,
                    ["PATH"] = $"{Path.GetDirectoryName(Repository.Program)}:{Environment.GetEnvironmentVariable("PATH")}",
                },
                Timeout = TimeSpan.FromMinutes(2),
            });
        }

        private static string WithoutSystemd(string lines) => string.Join('\n', lines.Split('\n').Select(line => line switch
        {
            _ when line.StartsWith("kedge service install controller ", StringComparison.Ordinal) =>
                $"kedge controller {line["kedge service install controller ".Length..]} >controller.log 2>&1 &",
            _ when line.StartsWith("kedge service install node ", StringComparison.Ordinal) => $"kedge up --detach {line["kedge service install node ".Length..]}",
            _ when line.StartsWith("kedge service uninstall node", StringComparison.Ordinal) => "kedge down",
            "kedge logs --follow" => "kedge logs",
            // Its peer may have to be found first.
            _ when line.StartsWith("kedge ping", StringComparison.Ordinal) => $"for i in 1 2 3 4 5; do {line} && break; done",
            _ => line,
        }));
    }
}
