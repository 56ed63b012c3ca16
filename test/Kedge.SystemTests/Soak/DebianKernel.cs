using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Kedge.Demo;

namespace Kedge.SystemTests.Soak;

/// <summary>
/// A virtual machine with the kernel that Debian ships for clouds, which <c>script/bootstrap soak</c> puts into <c>out/kernel</c>, and a
/// system of busybox and <c>wg</c>, in memory. Its network card is a TAP device of <see cref="Host"/>. The serial console takes commands,
/// one at a time, and what they print comes back by it. The machine's KVM is used where it can boot this kernel, and else an emulation,
/// which takes a few seconds. Disposal ends it.
/// </summary>
/// <remarks>For one thread at a time.</remarks>
public sealed class DebianKernel : IDisposable
{
    /// <summary>The addresses of the cable between both.</summary>
    public const string HostAddress = "192.0.2.1", HostAddress6 = "2001:db8::1", GuestAddress = "192.0.2.2", GuestAddress6 = "2001:db8::2";

    /// <summary>The name of the TAP device of <see cref="Host"/>.</summary>
    public const string Tap = "tap0";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60), KvmPatience = TimeSpan.FromSeconds(15);

    // $1 the kernel's package, unpacked; $2 the folder to make the system in; $3 the file for it; $4 its first program.
    // modules.dep is not in the package.
    private const string MakeSystem =
        """
        set -eu
        kernel=$1 root=$2 release=$(ls "$1/lib/modules")
        from=$kernel/lib/modules/$release to=$root/lib/modules/$release
        mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$to"
        cp "$(command -v busybox)" "$root/bin/busybox"
        for part in arch/x86/crypto crypto lib net/core net/ipv4 net/ipv6 drivers/virtio drivers/net/wireguard; do
            mkdir -p "$to/kernel/$part"
            cp -r "$from/kernel/$part/." "$to/kernel/$part"
        done
        cp "$from"/kernel/drivers/net/virtio_net.ko* "$from"/kernel/drivers/net/net_failover.ko* "$to/kernel/drivers/net"
        find "$to" -name '*.ko.xz' -exec xz --decompress {} +
        find "$to" -name '*.ko.zst' -exec zstd --quiet --decompress --rm {} +
        cp "$from"/modules.builtin "$from"/modules.order "$to"
        busybox depmod -b "$root" "$release"
        wg=$(command -v wg)
        for file in "$wg" $(ldd "$wg" | grep -o '/[^ ]*'); do
            mkdir -p "$root$(dirname "$file")"
            cp -L "$file" "$root$file"
        done
        cp "$4" "$root/init"
        chmod 755 "$root/init"
        cd "$root"
        find . | busybox cpio --quiet -o -H newc >"$3"
        """;

    private static readonly string s_init =
        $$"""
        #!/bin/busybox sh
        /bin/busybox --install -s /bin
        export PATH=/bin:/usr/bin
        mount -t proc proc /proc
        mount -t sysfs sysfs /sys
        mount -t devtmpfs dev /dev
        modprobe -a virtio_pci virtio_net wireguard
        echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
        ip link set lo up
        ip link set eth0 up
        ip address add {{GuestAddress}}/24 dev eth0
        ip address add {{GuestAddress6}}/64 dev eth0
        exec 0<>/dev/ttyS0 1>&0 2>&0
        stty raw -echo
        echo "ready $(uname -r) $(cat /sys/module/wireguard/version)"
        while read -r number line; do
            sh -c "$line"
            echo "=done $number $?"
        done
        poweroff -f

        """;

    private readonly StringBuilder _console = new();
    private RunningProcess? _process;
    private Socket? _serial;
    private int _commands;

    /// <summary>Makes the network and the system and boots it.</summary>
    public DebianKernel()
    {
        Net = Topology.Create();
        try
        {
            Host = Net.AddHost("host");
            Host.Ip("tuntap", "add", Tap, "mode", "tap");
            Host.Ip("link", "set", Tap, "up");
            Host.AddAddress(Tap, $"{HostAddress}/24");
            Host.AddAddress(Tap, $"{HostAddress6}/64");
            string system = Path.Combine(Net.TempFolder, "system.cpio");
            string init = Net.WriteSecret("init", s_init);
            Host.Run("sh", "-c", MakeSystem, "sh", Package, Path.Combine(Net.TempFolder, "system"), system, init);
            string kernel = Directory.GetFiles(Path.Combine(Package, "boot"), "vmlinuz-*").Single();
            Assert.True(
                (File.Exists("/dev/kvm") && Boots(kernel, system, KvmPatience, "-accel", "kvm", "-cpu", "host"))
                || Boots(kernel, system, Patience, "-accel", "tcg", "-cpu", "max"),
                $"It does not boot:\n{_console}");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The network that all is part of.</summary>
    public Topology Net { get; }

    /// <summary>The host at the other end of its cable.</summary>
    public Host Host { get; } = null!;

    /// <summary>The release of the kernel and the version of its WireGuard.</summary>
    public string Release { get; private set; } = "";

    private static string Package
    {
        get
        {
            string folder = Repository.PathOf("out/kernel");
            return Directory.Exists(Path.Combine(folder, "boot"))
                ? folder
                : throw new DirectoryNotFoundException($"No kernel in {folder}: run script/bootstrap soak first.");
        }
    }

    /// <summary>Runs a line of shell there, to its end. What it leaves in the background may not hold the console.</summary>
    /// <exception cref="TimeoutException">It took more than a minute.</exception>
    public CommandResult Try(string line)
    {
        string number = (++_commands).ToString(CultureInfo.InvariantCulture);
        int start = _console.Length;
        _serial!.Send(Encoding.UTF8.GetBytes($"{number} {line}\n"));
        string mark = $"=done {number} ";
        string output = AwaitConsole(start, mark, Patience)
            ?? throw new TimeoutException($"Not within {Patience.TotalSeconds} s: {line}\n{_console}");
        int end = output.IndexOf(mark, StringComparison.Ordinal);
        int code = int.Parse(output.AsSpan(end + mark.Length).Trim(), CultureInfo.InvariantCulture);
        return new CommandResult(code, output[..end].Replace("\r", "", StringComparison.Ordinal), "");
    }

    /// <summary>Runs a line of shell there that must succeed, and returns what it printed, without white space around.</summary>
    public string Run(string line)
    {
        CommandResult result = Try(line);
        Assert.True(result.Succeeded, $"{line}\n{result.Output}");
        return result.Output.Trim();
    }

    public void Dispose()
    {
        _serial?.Dispose();
        _process?.Dispose();
        Net.Dispose();
    }

    private bool Boots(string kernel, string system, TimeSpan patience, params string[] accelerator)
    {
        const string Ready = "ready ";
        string socket = Path.Combine(Net.TempFolder, "console");
        _process = Host.Start(new Command(
        [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256", .. accelerator,
            "-kernel", kernel, "-initrd", system, "-append", "console=ttyS0 panic=-1 loglevel=4",
            "-netdev", $"tap,id=cable,ifname={Tap},script=no,downscript=no", "-device", "virtio-net-pci,netdev=cable,romfile=",
            "-serial", $"unix:{socket},server=on",
        ]));
        Stopwatch clock = Stopwatch.StartNew();
        if (!Wait.TryUntil(() => _process.HasExited || TryConnect(socket), patience) || _serial is null
            || AwaitConsole(_console.Length, Ready, patience) is not { } said)
        {
            _console.Append(_process.Kill().Error);
            _serial?.Dispose();
            _serial = null;
            File.Delete(socket);
            return false;
        }
        Release = said[(said.IndexOf(Ready, StringComparison.Ordinal) + Ready.Length)..].Trim();
        TestContext.Current.TestOutputHelper?.WriteLine($"{Release} by {accelerator[1]} after {clock.Elapsed.TotalSeconds:0.0} s");
        return true;
    }

    private bool TryConnect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            _serial = socket;
            return true;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return false;
        }
    }

    /// <summary>
    /// What the console has said from a place on up to the end of a line with a mark; null where that does not come within the time, or the
    /// machine ends.
    /// </summary>
    private string? AwaitConsole(int start, string mark, TimeSpan patience)
    {
        Span<byte> piece = stackalloc byte[4096];
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < patience)
        {
            string said = _console.ToString(start, _console.Length - start);
            int place = said.IndexOf(mark, StringComparison.Ordinal), end = place < 0 ? -1 : said.IndexOf('\n', place);
            if (end >= 0)
                return said[..end];
            if (!_serial!.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectRead))
                continue;
            int count = _serial.Receive(piece);
            if (count == 0)
                return null;
            _console.Append(Encoding.Latin1.GetString(piece[..count]));
        }
        return null;
    }
}
